//! The networks that the authors of the paper published, for the tests that look at them.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::path::{Path, PathBuf};

use fokker_score_net::{Checkpoint, Element, InstructionSet, StateDict};

const TARGETS: [&str; 2] = ["blob", "circles2"];
const WEIGHTS: [&str; 4] = ["0.0", "0.1", "1.0", "10.0"];

pub(crate) fn models() -> impl Iterator<Item = String> {
    TARGETS.iter().flat_map(|target| WEIGHTS.iter().map(move |w| format!("{target}_w{w}")))
}

/// The folder of the reference, if there is one.
pub(crate) fn reference() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference");
    let path = std::env::var_os("FOKKER_REFERENCE").map_or(beside, PathBuf::from);
    if path.join("golden").is_dir() {
        return Some(path);
    }
    eprintln!("skipped: no reference in {} (set FOKKER_REFERENCE)", path.display());
    None
}

/// Whether this is the best instruction set of the machine: what takes long is compared on that one alone,
/// since the others are compared with it elsewhere.
pub(crate) fn on_the_best_set() -> bool {
    let best = InstructionSet::available()[0].name();
    let selected = InstructionSet::selected().unwrap().name();
    if selected != best {
        eprintln!("skipped: done on {best}, not on {selected}");
    }
    selected == best
}

/// A published network, imported as `fokker import` does.
pub(crate) fn network<E: Element>(reference: &Path, model: &str) -> Checkpoint<E> {
    let description = include_str!("../../../../experiments/reference-network.ron");
    let extensions = ron::extensions::Extensions::UNWRAP_VARIANT_NEWTYPES;
    let options = ron::Options::default().with_default_extension(extensions);
    let description: StateDict = options.from_str(description).unwrap();
    let path = reference.join("networks").join(format!("{model}.safetensors"));
    description.read(&std::fs::read(path).unwrap()).unwrap()
}

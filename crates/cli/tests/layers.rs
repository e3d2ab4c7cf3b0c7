//! The layers of the workspace: which crate may depend on which, and which Rust it needs.

use cargo_metadata::{MetadataCommand, semver::Version};

/// The libraries, from the lowest layer up.
const LIBRARIES: [&str; 6] = [
    "fokker-sde-core",
    "fokker-metrics",
    "fokker-score-net",
    "fokker-fp-residual",
    "fokker-samplers",
    "fokker-experiment",
];

/// Each package with the packages of the workspace that it may depend on.
const LAYERS: [(&str, &[&str]); 8] = [
    ("fokker-sde-core", &[]),
    ("fokker-metrics", &[]),
    ("fokker-score-net", &["fokker-sde-core"]),
    ("fokker-fp-residual", &["fokker-sde-core", "fokker-score-net"]),
    ("fokker-samplers", &["fokker-sde-core"]),
    ("fokker-experiment", LIBRARIES.split_at(5).0),
    ("fokker-cli", &LIBRARIES),
    ("fokker-benches", &LIBRARIES),
];

#[test]
fn no_crate_depends_on_a_layer_above_it() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let names: Vec<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names.len(), LAYERS.len(), "a crate is missing from the table: {names:?}");
    for (name, allowed) in LAYERS {
        let package = metadata.packages.iter().find(|p| p.name.as_str() == name).unwrap();
        for dependency in &package.dependencies {
            let inner = dependency.name.starts_with("fokker-");
            assert!(
                !inner || allowed.contains(&dependency.name.as_str()),
                "{name} may not depend on {}",
                dependency.name
            );
        }
    }
}

#[test]
fn the_tensor_library_stays_where_it_belongs() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    for package in &metadata.packages {
        let uses = package.dependencies.iter().any(|d| d.name == "dfdx");
        let may = ["fokker-score-net", "fokker-fp-residual"].contains(&package.name.as_str());
        assert!(!uses || may, "{} may not name dfdx", package.name);
    }
}

#[test]
fn the_stated_rust_version_is_enough_for_every_dependency() {
    let metadata = MetadataCommand::new().exec().unwrap();
    let ours = metadata.packages.iter().find(|p| p.name.as_str() == "fokker-cli").unwrap();
    let stated: &Version = ours.rust_version.as_ref().unwrap();
    for package in &metadata.packages {
        if let Some(needed) = &package.rust_version {
            assert!(needed <= stated, "{} needs Rust {needed}", package.name);
        }
    }
}

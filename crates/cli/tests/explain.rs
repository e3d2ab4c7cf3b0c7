//! `fokker explain` on small models.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::fs;
use std::path::Path;

use common::{TINY, fail, succeed};
use serde_json::Value;

const MODEL: &str = "out/checkpoints/mixture_w0.5.safetensors";
const FEW: [&str; 8] = ["--n", "20000", "--points", "64", "--paths", "64", "--steps", "20"];

fn folder_with_run(configuration: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.ron"), configuration).unwrap();
    succeed(folder.path(), &["run", "tiny.ron", "--out", "out", "-q"]);
    folder
}

fn explain(folder: &Path, options: &[&str]) -> Value {
    let printed =
        succeed(folder, &[&["explain", MODEL, "--json", "-q"], &FEW[..], options].concat());
    serde_json::from_str(&printed).unwrap()
}

#[test]
fn a_potential_is_explained() {
    // Its Gaussian part makes sense without training; that the prior is not the law at T = 1 makes a gap.
    let gaussian = "SiLU, time: LogSnr, prediction: Preconditioned(data_std: 1.7)";
    let folder = folder_with_run(&TINY.replace("Softplus(beta: 100.0)", gaussian));
    let folder = folder.path();
    let report = explain(folder, &["--target", "mixture", "--figure", "why"]);
    for figure in ["why/attribution.png", "why/fields.png"] {
        assert!(fs::read(folder.join(figure)).unwrap().starts_with(b"\x89PNG"), "{figure}");
    }
    let number = |path: &str| {
        report.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path}: {report}"))
    };
    let measured = (number("/gap/w2sq") - number("/gap/floor")).max(0.0).sqrt();
    assert!(measured > 0.02, "{measured}");
    // Of a network that hardly learned anything the bounds are far above the gap; they are never below it.
    let [flow, lipschitz] = ["/bounds/by_flow", "/bounds/by_trajectories"].map(number);
    assert!(flow > 0.9 * measured && lipschitz > 0.99 * flow, "{measured}, {flow}, {lipschitz}");
    assert!(number("/bounds/by_energy/0/jensen") > measured);
    assert_eq!(number("/bounds/by_energy/0/quantile"), 1.0);
    let [direct, identity, jensen, naive] = ["direct", "identity", "jensen", "naive"]
        .map(|form| number(&format!("/energy/{form}/value")));
    let error = number("/energy/identity/standard_error");
    assert!(
        (direct - identity).abs() < 4.0 * error + 0.2 * direct,
        "{direct}, {identity} ± {error}"
    );
    assert!(jensen > direct && naive > jensen, "{direct}, {jensen}, {naive}");
    // Both divergences are positive, and the bound holds for the SDE.
    let (kl, kl_se) = (number("/variational/sde/mean"), number("/variational/sde/standard_error"));
    let (bound, off) = (number("/variational/bound/value"), number("/variational/sde/quadrature"));
    assert!(kl - 3.0 * kl_se - off < 1.05 * bound, "{kl} ± {kl_se}, {off}, {bound}");
    assert_eq!(report["attribution"].as_array().unwrap().len(), 11);
    assert!(report["rotation"].as_array().unwrap().is_empty());

    // Same seed, same bits, any number of threads.
    let again = explain(folder, &["--target", "mixture", "--threads", "1"]);
    assert_eq!(again, report);
    let text = succeed(folder, &[&["explain", MODEL, "-q"], &FEW[..]].concat());
    for part in ["bounds on W2", "along the flow", "KL(SDE‖ODE)", "more --steps", "½g²‖∇w‖"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
}

#[test]
fn a_vector_score_has_its_rotation() {
    let vector = TINY
        .replace("Softplus(beta: 100.0)", "SiLU, output: Vector")
        .replace("residual_weights: [0.0, 0.5]", "residual_weights: [0.5], residual_form: Score")
        .replace("residual_points: 100", "residual_points: 96");
    let folder = folder_with_run(&vector);
    let report = explain(folder.path(), &["--target", "mixture"]);
    assert!(report["energy"].is_null() && report["attribution"].as_array().unwrap().is_empty());
    let rows = report["rotation"].as_array().unwrap();
    assert_eq!(rows.len(), 12);
    for row in rows {
        let share = row["share_of_error"].as_f64().unwrap();
        assert!(row["squared"].as_f64().unwrap() > 0.0 && (0.0..=1.0).contains(&share), "{row}");
    }
    let text = succeed(folder.path(), &[&["explain", MODEL, "-q"], &FEW[..]].concat());
    assert!(text.contains("no gradient has"), "{text}");
}

#[test]
fn what_cannot_be_explained_is_refused() {
    let folder = folder_with_run(TINY);
    fs::write(folder.path().join("space.csv"), "1,2,3\n4,5,6\n7,8,10\n").unwrap();
    for (options, expected) in [
        (&["--paths", "100"][..], "multiple of 64"),
        (&["--last-time", "1"], "t_min"),
        (&["--target", "space.csv"], "has 3"),
        (&["--points", "3"], "64"),
    ] {
        let arguments = [&["explain", MODEL, "-q"], options].concat();
        let message = fail(folder.path(), 2, &arguments).replace("\n  │ ", " ");
        assert!(message.contains(expected), "{options:?}: {message}");
    }
}

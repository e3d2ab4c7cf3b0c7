//! The choice of solvers, grids and weights of the noise on the command line and in configurations.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::fs;
use std::path::Path;

use common::{TINY, fail, succeed};
use ndarray::Array2;
use ndarray_npy::read_npy;
use serde_json::Value;

const MODEL: &str = "out/checkpoints/mixture_w0.5.safetensors";

fn folder_with_run(configuration: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.ron"), configuration).unwrap();
    succeed(folder.path(), &["run", "tiny.ron", "--out", "out", "-q"]);
    folder
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let printed = succeed(folder, &[arguments, &["--json", "-q"]].concat());
    serde_json::from_str(&printed).unwrap()
}

/// The particles and what they cost.
fn sample(folder: &Path, options: &[&str]) -> (Array2<f32>, Value) {
    let common = ["sample", MODEL, "--n", "200", "--out", "x.npy", "--seed", "3"];
    let report = json(folder, &[&common[..], options].concat());
    (read_npy(folder.join("x.npy")).unwrap(), report)
}

#[test]
fn every_listed_solver_samples_what_it_says() {
    let folder = folder_with_run(TINY);
    let folder = folder.path();
    let text = succeed(folder, &["solvers"]);
    let listed = json(folder, &["solvers"]);
    let (reference, _) = sample(folder, &["--method", "ode", "--steps", "400"]);
    for solver in listed.as_array().unwrap() {
        let name = solver["name"].as_str().unwrap();
        assert!(text.contains(name), "{text}");
        let options = ["--solver", name, "--last-step", "denoise", "--steps", "100"];
        if !solver["order"].is_null() {
            let (x, report) = sample(folder, &[&["--method", "ode"], &options[..]].concat());
            assert!((report["evaluations"].as_f64().unwrap()) >= 100.0, "{report}");
            let off = (&x - &reference).mapv(|x| x * x).mean().unwrap().sqrt();
            assert!(off < 0.05, "{name} is off by {off}");
        }
        let sde = [&["--method", "sde"], &options[..]].concat();
        if solver["largest_lambda"] == 0.0 {
            let common = ["sample", MODEL, "--n", "10", "--out", "y.npy"];
            let message = fail(folder, 2, &[&common[..], &sde].concat()).replace("\n  │ ", " ");
            assert!(message.contains(name) && message.contains("the ODE"), "{message}");
        } else {
            sample(folder, &sde);
        }
        let adaptive =
            ["--method", "ode", "--solver", name, "--tol", "1e-3", "--last-step", "denoise"];
        if solver["adaptive"] == true {
            let (x, report) = sample(folder, &adaptive);
            assert!(report["accepted"].as_f64().unwrap() > 0.0, "{report}");
            let off = (&x - &reference).mapv(|x| x * x).mean().unwrap().sqrt();
            assert!(off < 0.05, "{name} is off by {off}");
        } else {
            let common = ["sample", MODEL, "--n", "10", "--out", "y.npy"];
            let message =
                fail(folder, 2, &[&common[..], &adaptive].concat()).replace("\n  │ ", " ");
            assert!(message.contains("no estimate of its error"), "{message}");
        }
    }
    assert!(!folder.join("y.npy").exists());
}

#[test]
fn grids_and_weights_are_those_that_were_asked_for() {
    let folder = folder_with_run(TINY);
    let folder = folder.path();
    let sde = |options: &[&str]| sample(folder, &[&["--method", "sde"], options].concat()).0;
    for grid in ["paper", "uniform", "log-snr", "karras", "quadratic"] {
        let (_, report) = sample(folder, &["--method", "sde", "--grid", grid, "--steps", "17"]);
        // Two for each step of SRA1, and one for the last to the data.
        assert_eq!(report["evaluations"], 33.0, "{grid}");
    }
    let steps = ["--steps", "20"];
    let with = |lambda| sde(&[&steps[..], &["--lambda", lambda]].concat());
    assert_eq!(with("1"), sde(&steps));
    assert_eq!(with("0.7"), with("0.7 + 0*t"));
    assert_ne!(with("0.7"), with("0.6"));
    let ode = sample(folder, &[&["--method", "ode"], &steps[..]].concat()).0;
    assert_eq!(with("0"), ode);
    let refuse = |options: &[&str]| {
        let common = ["sample", MODEL, "--n", "10", "--out", "y.npy"];
        fail(folder, 2, &[&common[..], options].concat())
    };
    for (options, expected) in [
        (&["--method", "sde", "--lambda", "-1"][..], "at least 0"),
        (&["--method", "sde", "--lambda", "1/(t-1)"], "at least 0"),
        (&["--method", "sde", "--lambda", "1+u"], "is no formula in t"),
        (&["--method", "ode", "--lambda", "0.5"], "no use for --lambda"),
        (&["--method", "sde", "--solver", "euler-2"], "there is no solver `euler-2`"),
        (&["--method", "sde", "--solver", "ancestral", "--lambda", "1.5"], "λ up to 1"),
        (&["--method", "sde", "--grid", "paper", "--last-time", "0.1"], "no use for --last-time"),
        (
            &["--method", "sde", "--last-time", "5"],
            "t_min, is 5, but must be between 0 and the horizon",
        ),
        (&["--method", "sde", "--solver", "heun", "--tol", "0"], "between"),
        (&["--method", "sde", "--lambda", "1e200"], "at most 1e6"),
        (
            &["--method", "sde", "--solver", "midpoint"],
            "sra1, predictor-corrector solve all processes",
        ),
        (&["--method", "ode", "--tol", "0.1"], "as heun, bogacki-shampine, dormand-prince have"),
    ] {
        let message = refuse(options).replace("\n  │ ", " ");
        assert!(message.contains(expected), "{options:?}: {message}");
    }
}

#[test]
fn the_ode_of_a_configuration_may_be_solved_otherwise() {
    let sampling = "sampling: (particles: 500, grid: LogSnr(steps: 20), solver: Heun, last_step: Denoise, \
                    lambda: \"1/(1+t)\", ode: (grid: Karras(steps: 6), solver: DormandPrince, last_step: Denoise))";
    let configuration =
        TINY.replace("sampling: (particles: 500, grid: TwoLevel(coarse: 8, fine: 4))", sampling);
    assert_ne!(configuration, TINY);
    let folder = folder_with_run(&configuration);
    let text = fs::read(folder.path().join("out/cells/mixture_w0.5.json")).unwrap();
    let cell: Value = serde_json::from_slice(&text).unwrap();
    // Five steps of six stages, of which the first is known in all but the first one, and one to denoise; nineteen of two
    // and one.
    assert_eq!(cell["evaluations"], serde_json::json!([32.0, 39.0]));
    // What is written down is read back.
    let kept = fs::read_to_string(folder.path().join("out/config.ron")).unwrap();
    assert!(kept.contains("DormandPrince") && kept.contains("\"1/(1+t)\""), "{kept}");
    let gap = |options: &[&str]| {
        let common = ["gap", MODEL, "--target", "mixture", "--n", "300", "--points", "100"];
        let common = [&common[..], &["--bootstrap", "10"], options].concat();
        json(folder.path(), &common)["cells"][0]["evaluations"].clone()
    };
    let both = ["--solver", "heun", "--steps", "10", "--last-step", "denoise"];
    assert_eq!(gap(&both), serde_json::json!([19.0, 19.0]));
    let other = [&both[..], &["--ode-solver", "bogacki-shampine"]].concat();
    assert_eq!(gap(&other), serde_json::json!([29.0, 19.0]));
}

#[test]
fn configurations_that_no_solver_knows_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let before = "grid: TwoLevel(coarse: 8, fine: 4)";
    for (after, expected) in [
        ("grid: LogSnr(steps: 20, t_min: 0)", "must be positive and finite"),
        ("grid: LogSnr(steps: 1)", "at least 2 steps"),
        ("grid: Karras(steps: 20, rho: 0.5)", "between 1 and 1000"),
        ("grid: Times([1.0, 0.5, 0.7])", "time 2 of the grid is 0.7"),
        ("grid: Times([2.0, 0.5])", "at the horizon 1"),
        ("grid: Uniform(steps: 5), solver: Newton", "Newton"),
        ("grid: Uniform(steps: 5), solver: RungeKutta4", "the ODE"),
        ("grid: Uniform(steps: 5), lambda: -1", "must be from 0 to 1e6"),
        ("grid: Uniform(steps: 5), lambda: \"1+u\"", "is no formula in t"),
        ("grid: Uniform(steps: 5), lambda: \"t-0.5\"", "at least 0"),
        ("grid: Uniform(steps: 5), tolerance: (absolute: 0.1, relative: 0.1)", "no estimate"),
        (
            "grid: Uniform(steps: 5), solver: Heun, tolerance: (absolute: -1, relative: 0.1)",
            "tolerance is -1",
        ),
        ("grid: Times([1.0, 0.5]), last_step: Denoise", "ends at t = 0.5"),
        ("grid: Times([0.5, 0.2])", "starts at t = 0.5, but particles start from the prior"),
        (
            "grid: Uniform(steps: 1), solver: Heun, tolerance: (absolute: 0.1, relative: 0.1)",
            "the grid has one step",
        ),
        ("grid: Uniform(steps: 5), ode: (grid: Uniform(steps: 0))", "between 1 and 1000000"),
    ] {
        fs::write(folder.path().join("tiny.ron"), TINY.replace(before, after)).unwrap();
        let message = fail(folder.path(), 2, &["run", "tiny.ron", "--out", "out", "-q"]);
        let message = message.replace("\n  │ ", " ");
        assert!(message.contains(expected), "{after}: {message}");
        assert!(!folder.path().join("out").exists(), "{after}");
    }
}

#[test]
fn a_score_that_is_infinite_where_the_solver_asks_is_refused_before_training() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let noise = TINY.replace("Softplus(beta: 100.0)", "Softplus(beta: 100.0), prediction: Noise");
    let with = |last_step: &str| {
        let sampling = format!("grid: LogSnr(steps: 5), solver: Heun, last_step: {last_step}");
        noise.replace("grid: TwoLevel(coarse: 8, fine: 4)", &sampling)
    };
    fs::write(folder.join("tiny.ron"), with("Solver")).unwrap();
    let message = fail(folder, 2, &["run", "tiny.ron", "--out", "out", "-q"]);
    assert!(message.replace("\n  │ ", " ").contains("asks for the score at t = 0"), "{message}");
    assert!(!folder.join("out").exists());

    fs::write(folder.join("tiny.ron"), with("Denoise")).unwrap();
    succeed(folder, &["run", "tiny.ron", "--out", "out", "-q"]);
    for command in [
        &["gap", MODEL, "--target", "mixture", "--n", "300"][..],
        &["sample", MODEL, "--method", "ode", "--n", "300", "--out", "x.npy"],
    ] {
        let message =
            fail(folder, 2, &[command, &["--solver", "heun", "--last-step", "solver"]].concat());
        assert!(
            message.replace("\n  │ ", " ").contains("asks for the score at t = 0"),
            "{message}"
        );
    }
}

//! What the tests of the binary share.

use std::path::Path;
use std::process::{Command, Output};

/// A study that takes a second: two weights, a small network, few points.
pub(crate) const TINY: &str = "\
(
    seed: 7,
    targets: [mixture],
    diffusion: OrnsteinUhlenbeck(horizon: 1.0),
    network: (hidden: [8, 8], activation: Softplus(beta: 100.0)),
    training: (
        residual_weights: [0.0, 0.5],
        denoising_points: 300,
        residual_points: 100,
        times: (t_min: 1e-5),
        collocation: (t_min: 1e-5, extent: 3.5),
        stages: [
            (steps: 12, learning_rate: 1e-3),
            (steps: 3, learning_rate: 1e-4),
        ],
    ),
    sampling: (particles: 500, grid: TwoLevel(coarse: 8, fine: 4)),
    measurement: (nodes: 16, extent: 3.5, residual_points: 1000),
)
";

/// Runs the binary in a folder; its messages are 80 columns wide and without colour.
pub(crate) fn fokker(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fokker"))
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", "xterm")
        .env("COLUMNS", "80")
        .env_remove("RAYON_NUM_THREADS")
        .output()
        .unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The output of a run that must end well.
pub(crate) fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = fokker(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

/// The message of a run that must end with this exit code and print no result.
pub(crate) fn fail(folder: &Path, code: i32, arguments: &[&str]) -> String {
    let output = fokker(folder, arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
    assert_eq!(stdout(&output), "");
    stderr(&output)
}

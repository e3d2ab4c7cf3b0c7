//! What the tests of the binary share.

#![allow(dead_code, reason = "no test needs all of it")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

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
    measurement: (nodes: 16, extent: 3.5, residual_points: 1000, bootstrap: 10),
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

/// Every file of a folder and its subfolders, sorted.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|file| format!("{name}/{file}")));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

/// What of a run must not depend on when and with how many threads it ran: all but the seconds.
pub(crate) fn fingerprint(run: &Path) -> Vec<(String, Vec<u8>)> {
    let without_seconds = |text: &str| {
        let mut value: Value = serde_json::from_str(text).unwrap();
        let mut cells: Vec<&mut Value> = match value.get_mut("cells") {
            Some(cells) => cells.as_array_mut().unwrap().iter_mut().collect(),
            None => vec![&mut value],
        };
        for cell in &mut cells {
            // The marks of data files are no object, and tell no time.
            if let Some(object) = cell.as_object_mut() {
                object.retain(|name, _| !name.contains("seconds"));
            }
        }
        value.to_string().into_bytes()
    };
    let content = |name: &String| {
        let bytes = fs::read(run.join(name)).unwrap();
        let text = || String::from_utf8(bytes.clone()).unwrap();
        match name.rsplit('.').next().unwrap() {
            "json" => without_seconds(&text()),
            "jsonl" => text().lines().flat_map(without_seconds).collect(),
            "npy" | "safetensors" | "ron" => bytes,
            // Captions hold distances alone, but pictures are not compared to the bit.
            _ => Vec::new(),
        }
    };
    files(run).into_iter().map(|name| (name.clone(), content(&name))).collect()
}

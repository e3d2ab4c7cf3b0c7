//! Runs that were ended early and are gone on with, cells alone, reports.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{TINY, fail, fingerprint, succeed};

/// Starts a run and ends it by a signal when it has written so many lines of metrics.
fn interrupt(folder: &Path, config: &str, lines: usize, signal: &str) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fokker"))
        .args(["run", config, "--out", "out"])
        .current_dir(folder)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let metrics = folder.join("out/metrics.jsonl");
    while fs::read_to_string(&metrics).map_or(0, |text| text.lines().count()) < lines {
        assert!(child.try_wait().unwrap().is_none(), "the run ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
    assert!(!child.wait().unwrap().success());
}

#[cfg(unix)]
#[test]
fn a_run_that_was_ended_early_is_gone_on_with_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    // Long enough to be met in both of its cells, and in both of its stages.
    let study = TINY.replace("steps: 12,", "steps: 1200,").replace("steps: 3,", "steps: 900,");
    fs::write(folder.path().join("study.ron"), study).unwrap();
    succeed(folder.path(), &["run", "study.ron", "--out", "whole", "-q"]);
    // 121 and 90 lines in each cell.
    for (lines, signal) in [(20, "INT"), (140, "TERM"), (150, "KILL"), (260, "INT")] {
        interrupt(folder.path(), "study.ron", lines, signal);
    }
    let cell = folder.path().join("out/cells/mixture_w0.json");
    let finished = fs::metadata(&cell).unwrap().modified().unwrap();
    succeed(folder.path(), &["run", "study.ron", "--out", "out", "-q"]);
    // The cell that was finished has not been done again.
    assert_eq!(fs::metadata(&cell).unwrap().modified().unwrap(), finished);
    assert_eq!(fingerprint(&folder.path().join("out")), fingerprint(&folder.path().join("whole")));
}

#[test]
fn cells_alone_make_the_same_run() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.ron"), TINY).unwrap();
    succeed(folder.path(), &["run", "tiny.ron", "--out", "whole", "-q"]);
    let cell = |name: &str| {
        succeed(folder.path(), &["run", "tiny.ron", "--out", "out", "-q", "--cell", name])
    };
    let out = folder.path().join("out");
    let first = cell("mixture_w0.5");
    assert!(!out.join("summary.json").exists() && !out.join("cells/mixture_w0.json").exists());
    assert_eq!(first.matches("mixture").count(), 1, "{first}");
    let message = fail(folder.path(), 2, &["run", "tiny.ron", "--out", "out", "--cell", "ring_w1"]);
    assert!(message.contains("mixture_w0, mixture_w0.5"), "{message}");
    // A report of what there is.
    let report = succeed(folder.path(), &["report", "out"]);
    assert!(report.contains("1 of 2 cells are finished") && report.contains("0.5  "), "{report}");
    assert!(out.join("figures/gap.png").exists() && out.join("report.html").exists());
    cell("mixture_w0");
    // The order of the lines of metrics is that of the work; all else is the same.
    let but_metrics = |run: &Path| {
        let mut all = fingerprint(run);
        all.retain(|(name, _)| name != "metrics.jsonl");
        all
    };
    assert_eq!(but_metrics(&out), but_metrics(&folder.path().join("whole")));
    let report = succeed(folder.path(), &["report", "out"]);
    assert!(!report.contains("cells are finished"), "{report}");
    fail(folder.path(), 2, &["report", "."]);
}

#[cfg(unix)]
#[test]
fn all_that_training_keeps_is_gone_on_with() {
    // The average of the parameters, the learned law of times, the moments of SOAP, and a schedule.
    let folder = tempfile::tempdir().unwrap();
    let study = TINY
        .replace(
            "denoising_points: 300,",
            "denoising_points: 304, importance: true, average: 0.99, optimizer: Soap,",
        )
        .replace(
            "residual_points: 100,",
            "residual_points: 104, residual_form: Centred, gradient_clip: 5,",
        )
        .replace(
            "steps: 12, learning_rate: 1e-3",
            "steps: 1500, learning_rate: 1e-3, warm_up: 9, schedule: Cosine(to: 0)",
        )
        .replace(
            "extent: 3.5),\n        stages",
            "shares: (marginal: 1, trajectories: 1)),\n        stages",
        );
    assert!(study.contains("trajectories"));
    fs::write(folder.path().join("study.ron"), study).unwrap();
    succeed(folder.path(), &["run", "study.ron", "--out", "whole", "-q"]);
    for (lines, signal) in [(60, "INT"), (230, "TERM")] {
        interrupt(folder.path(), "study.ron", lines, signal);
    }
    succeed(folder.path(), &["run", "study.ron", "--out", "out", "-q"]);
    assert_eq!(fingerprint(&folder.path().join("out")), fingerprint(&folder.path().join("whole")));
}

//! `fokker tune` on a tiny study.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::fs;
use std::path::Path;

use common::{TINY, fail, files, fingerprint, fokker, succeed};
use serde_json::Value;

/// Two weights, of which the second ruins the score.
fn folder_with_config() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = TINY
        .replace("[0.0, 0.5]", "[0.0, 1000.0]")
        .replace("denoising_points: 300", "denoising_points: 64")
        .replace("residual_points: 100,", "residual_points: 16,");
    fs::write(folder.path().join("mine.ron"), text).unwrap();
    folder
}

fn tuned(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path.join("tuned.json")).unwrap()).unwrap()
}

#[test]
fn a_weight_is_chosen_and_a_network_trained_with_it() {
    let folder = folder_with_config();
    let arguments = ["tune", "mine.ron", "--minutes", "0.1", "--out", "out"];
    let text = succeed(folder.path(), &arguments);
    assert!(text.contains("chosen: w_R = 0:") && text.contains("kept"), "{text}");
    let out = folder.path().join("out");
    let result = tuned(&out);
    let candidates = result["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 2);
    assert_eq!((&result["w_r"], &result["judged_at"]), (&0.0.into(), &"drawn".into()));
    assert_eq!((&candidates[0]["kept"], &candidates[1]["kept"]), (&true.into(), &false.into()));
    let number = |one: &Value, name: &str| one[name].as_f64().unwrap();
    for one in candidates {
        assert!(number(one, "dsm") > 0.0 && number(one, "residual") >= 0.0, "{one}");
    }
    assert_eq!(number(&candidates[0], "dsm_above"), 0.0);
    assert!(number(&candidates[1], "dsm_above") > 2.0 * number(&candidates[1], "dsm_above_se"));
    assert!(number(&candidates[1], "residual") < number(&candidates[0], "residual"));
    // The final network has the time of both candidates for itself.
    assert!(number(&result, "steps") > number(&result, "search_steps"));
    assert_eq!(files(&out.join("figures")), ["mixture-gap.png", "mixture-ode.png"],);
    assert!(out.join(result["cell"]["model"].as_str().unwrap()).is_file());
    // Its configuration repeats the final network to the bit, whatever the time.
    succeed(folder.path(), &["run", "out/best/config.ron", "--out", "again", "-q"]);
    assert_eq!(fingerprint(&out.join("best")), fingerprint(&folder.path().join("again")));
    // Once tuned it is not tuned again, but by force.
    let message = fail(folder.path(), 2, &arguments);
    assert!(message.contains("--force"), "{message}");
}

#[test]
fn what_was_ended_early_goes_on_with_its_steps() {
    let folder = folder_with_config();
    let arguments = ["tune", "mine.ron", "--minutes", "0.1", "--out", "out"];
    succeed(folder.path(), &arguments);
    let out = folder.path().join("out");
    let before = tuned(&out);
    // As if the process had ended in the final training.
    fs::remove_file(out.join("tuned.json")).unwrap();
    for name in ["summary.json", "cells/mixture_w0.json"] {
        fs::remove_file(out.join("best").join(name)).unwrap();
    }
    let other = ["tune", "mine.ron", "--minutes", "0.4", "--out", "out", "-q"];
    succeed(folder.path(), &other);
    let mut after = tuned(&out);
    for name in ["train_seconds", "sample_seconds"] {
        after["cell"][name] = before["cell"][name].clone();
    }
    assert_eq!(after, before);
}

#[test]
fn what_cannot_be_tuned_is_refused() {
    let folder = folder_with_config();
    let path = folder.path();
    let refuse = |data: &str, more: &[&str], expected: &str| {
        let mut arguments = vec!["tune", data, "--minutes", "0.05", "--out", "out"];
        arguments.extend_from_slice(more);
        let output = fokker(path, &arguments);
        let message = common::stderr(&output).replace("\n  │ ", " ");
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(expected), "{message}");
        assert!(!path.join("out").exists());
    };
    refuse("lake", &[], "or a configuration that ends in .ron");
    refuse("missing.csv", &[], "missing.csv");
    refuse("mine.ron", &["--preset", "paper"], "has no use for");
    let two = TINY.replace("[mixture]", "[mixture, circles]");
    fs::write(path.join("two.ron"), two).unwrap();
    refuse("two.ron", &[], "but the configuration has 2");
    let slow = TINY.replace("[8, 8]", "[256, 256]").replace("300", "100000");
    fs::write(path.join("slow.ron"), slow).unwrap();
    refuse("slow.ron", &[], "fewer `residual_weights`");
    let one = TINY.replace("[0.0, 0.5]", "[0.5]");
    fs::write(path.join("one.ron"), one).unwrap();
    refuse("one.ron", &[], "nothing to choose");
    refuse("mine.ron", &["--minutes", "0"], "cannot be used multiple times");
    // What cannot be written is known before the search.
    fs::create_dir_all(path.join("taken/best")).unwrap();
    fs::write(path.join("taken/best/mine.txt"), "mine").unwrap();
    let message = fail(path, 2, &["tune", "mine.ron", "--minutes", "1", "--out", "taken"]);
    assert!(
        message.contains("best") && files(&path.join("taken")) == ["best/mine.txt"],
        "{message}"
    );
    fs::create_dir_all(path.join("filed")).unwrap();
    fs::write(path.join("filed/figures"), "mine").unwrap();
    let message = fail(path, 2, &["tune", "mine.ron", "--minutes", "1", "--out", "filed"]);
    assert!(message.contains("figures"), "{message}");
}

#[test]
fn a_network_that_loses_its_samples_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    // From T = 10 a score that is nearly 0, which a large residual makes of it, loses every particle.
    let text = TINY.replace("horizon: 1.0", "horizon: 10.0").replace("[0.0, 0.5]", "[0.0, 1e9]");
    fs::write(folder.path().join("mine.ron"), text).unwrap();
    let arguments = ["tune", "mine.ron", "--minutes", "0.1", "--out", "out"];
    let text = succeed(folder.path(), &arguments);
    let result = tuned(&folder.path().join("out"));
    assert_eq!(result["lost"], serde_json::json!([1e9]), "{text}");
    assert_eq!(result["w_r"], 0.0);
    assert!(
        text.contains("Lost, with hardly a sample near the data: w_R = [1000000000.0]"),
        "{text}"
    );
}

#[test]
fn what_changes_between_the_two_runs_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let points =
        |n: usize| -> String { (0..n).map(|i| format!("{},{}\n", i % 7, i * i % 11)).collect() };
    fs::write(path.join("points.csv"), points(200)).unwrap();
    fs::write(
        path.join("mine.ron"),
        TINY.replace("[mixture]", "[Points(path: \"points.csv\", held_out: 0.3)]"),
    )
    .unwrap();
    let arguments = ["tune", "mine.ron", "--minutes", "0.1", "--out", "out", "-q"];
    succeed(path, &arguments);
    let out = path.join("out");
    assert_eq!(tuned(&out)["judged_at"], "held_out");
    fs::remove_file(out.join("tuned.json")).unwrap();
    fs::remove_dir_all(out.join("best")).unwrap();
    fs::write(path.join("points.csv"), points(150)).unwrap();
    let message = fail(path, 2, &arguments);
    assert!(message.contains("has changed"), "{message}");
    // By force it begins anew, and nothing of before is left meanwhile.
    let again = [&arguments[..], &["--force"]].concat();
    succeed(path, &again);
    assert!(out.join("tuned.json").is_file());
}

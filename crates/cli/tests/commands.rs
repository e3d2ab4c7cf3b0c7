//! The binary from end to end on a tiny study.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::fs;
use std::process::{Command, Stdio};

use common::{TINY, fail, files, fingerprint, succeed};
use ndarray::{Array1, Array2};
use ndarray_npy::{read_npy, write_npy};
use serde_json::Value;

fn folder_with_tiny() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.ron"), TINY).unwrap();
    folder
}

#[test]
fn a_run_leaves_its_folder_and_prints_its_table() {
    let folder = folder_with_tiny();
    let at = |name: &str| folder.path().join("out").join(name);
    let table = succeed(folder.path(), &["run", "tiny.ron", "--out", "out"]);
    for expected in ["mixture", "ODE–truth", "SDE–truth", "ODE–SDE", "floor", "N = 500", "seed 7"]
    {
        assert!(table.contains(expected), "{table}");
    }
    assert_eq!(
        files(&folder.path().join("out")),
        [
            "cells/mixture_w0.5.json",
            "cells/mixture_w0.json",
            "checkpoints/mixture_w0.5.safetensors",
            "checkpoints/mixture_w0.safetensors",
            "config.ron",
            "figures/densities.png",
            "figures/densities.svg",
            "figures/dsm.png",
            "figures/dsm.svg",
            "figures/gap.png",
            "figures/gap.svg",
            "figures/training.png",
            "figures/training.svg",
            "lock",
            "metrics.jsonl",
            "report.html",
            "samples/mixture_truth.npy",
            "samples/mixture_w0.5_ode.npy",
            "samples/mixture_w0.5_sde.npy",
            "samples/mixture_w0_ode.npy",
            "samples/mixture_w0_sde.npy",
            "summary.json",
        ]
    );
    let summary: Value = serde_json::from_slice(&fs::read(at("summary.json")).unwrap()).unwrap();
    let cells = summary["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 2);
    for (cell, w_r) in cells.iter().zip([0.0, 0.5]) {
        assert_eq!(
            (&cell["target"], &cell["w_r"], &cell["n"]),
            (&Value::from("mixture"), &Value::from(w_r), &Value::from(500),)
        );
        for field in [
            "floor",
            "floor_ode_sde",
            "dsm",
            "dsm_se",
            "marginal_residual_sq",
            "w2sq_ode_truth",
            "w2sq_sde_truth",
            "w2sq_ode_sde",
            "mean_residual_sq",
            "train_seconds",
            "sample_seconds",
        ] {
            assert!(cell[field].as_f64().unwrap() > 0.0, "{field} of {cell}");
        }
        for field in ["w2sq_ode_truth_ci", "w2sq_sde_truth_ci", "w2sq_ode_sde_ci"] {
            let [low, high] = [0, 1].map(|k| cell[field][k].as_f64().unwrap());
            assert!(low < high, "{field} of {cell}");
        }
        assert_eq!(cell["residual_bands"].as_array().unwrap().len(), 4);
        let one = fs::read(at(&format!("cells/mixture_w{w_r}.json"))).unwrap();
        assert_eq!(&serde_json::from_slice::<Value>(&one).unwrap(), cell);
    }
    // Steps 1 and 11, and the last, of each of the two cells.
    let metrics = fs::read_to_string(at("metrics.jsonl")).unwrap();
    let lines: Vec<Value> =
        metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let steps: Vec<u64> = lines.iter().map(|line| line["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [1, 11, 15, 1, 11, 15]);
    for line in &lines {
        let number = |field: &str| line[field].as_f64().unwrap();
        let objective = number("dsm") + number("w_r") * number("residual");
        assert!((number("loss") - objective).abs() < 1e-9 * objective);
        assert!(number("lr") > 0.0 && number("seconds") > 0.0);
    }
    // The distances follow from the samples.
    let measured = succeed(
        folder.path(),
        &["w2", "out/samples/mixture_w0_ode.npy", "out/samples/mixture_w0_sde.npy", "--json"],
    );
    let measured: Value = serde_json::from_str(&measured).unwrap();
    assert_eq!(measured["input"], "points");
    let sde: Array2<f32> = read_npy(at("samples/mixture_w0_sde.npy")).unwrap();
    assert_eq!(sde.dim(), (500, 2));
    // The configuration that was written gives the same run.
    succeed(folder.path(), &["run", "out/config.ron", "--out", "again", "-q"]);
    assert_eq!(fingerprint(&folder.path().join("out")), fingerprint(&folder.path().join("again")));
}

#[test]
fn results_depend_on_the_seed_and_not_on_the_threads() {
    let folder = folder_with_tiny();
    let run = |out: &str, more: &[&str]| {
        let arguments = [&["run", "tiny.ron", "--out", out, "-q"], more].concat();
        succeed(folder.path(), &arguments);
        fingerprint(&folder.path().join(out))
    };
    let one = run("one", &["--threads", "1"]);
    assert_eq!(one, run("three", &["--threads", "3"]));
    assert_ne!(one, run("seed", &["--seed", "8"]));
}

#[test]
fn a_finished_run_is_replaced_only_by_force() {
    let folder = folder_with_tiny();
    succeed(folder.path(), &["run", "tiny.ron", "-q"]);
    let run = folder.path().join("runs/tiny-7");
    let before = fs::read(run.join("summary.json")).unwrap();
    let message = fail(folder.path(), 2, &["run", "tiny.ron", "-q"]);
    assert!(message.contains("--force"), "{message}");
    assert_eq!(fs::read(run.join("summary.json")).unwrap(), before);
    fs::write(run.join("samples/mine.csv"), "keep").unwrap();
    succeed(folder.path(), &["run", "tiny.ron", "-q", "--force"]);
    assert!(run.join("samples/mine.csv").exists());
    assert_ne!(fs::read(run.join("summary.json")).unwrap(), before);
    // A folder of other things is left alone even by force, a configuration of the user's included.
    fs::create_dir(folder.path().join("mine")).unwrap();
    fs::write(folder.path().join("mine/config.ron"), TINY).unwrap();
    fail(folder.path(), 2, &["run", "tiny.ron", "--out", "mine", "--force"]);
    assert_eq!(files(&folder.path().join("mine")), ["config.ron"]);
}

#[test]
fn the_paper_is_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let paper = succeed(folder.path(), &["init", "--preset", "paper"]);
    assert!(paper.contains("horizon: 10.0") && paper.contains("Softplus(beta: 100.0)"), "{paper}");
    // Small enough for a test: one step in each stage, few particles.
    let shortened = |horizon: &str| -> String {
        let line = |line: &str| match line.trim().split(' ').next() {
            Some("steps:") => "steps: 1,".to_owned(),
            Some("particles:") => "particles: 100,".to_owned(),
            _ => line.replace("horizon: 10.0", horizon),
        };
        paper.lines().map(|text| line(text) + "\n").collect()
    };
    fs::write(folder.path().join("mine.ron"), shortened("horizon: 0.5")).unwrap();
    succeed(folder.path(), &["run", "mine.ron", "-q"]);
    // From T = 10 the score of an untrained network loses every particle.
    fs::write(folder.path().join("lost.ron"), shortened("horizon: 10.0")).unwrap();
    let message = fail(folder.path(), 1, &["run", "lost.ron", "-q"]);
    assert!(message.contains("checkerboard, w_R = 0: none of the sde samples"), "{message}");
    let message = fail(folder.path(), 2, &["init", "--preset", "paper", "--network", "vector"]);
    assert!(message.contains("--network"), "{message}");
}

#[test]
fn a_checkpoint_is_sampled_both_ways() {
    let folder = folder_with_tiny();
    succeed(folder.path(), &["run", "tiny.ron", "--out", "out", "-q"]);
    let checkpoint = "out/checkpoints/mixture_w0.5.safetensors";
    let sample = |method: &str, out: &str, seed: &str, threads: &str| {
        let printed = succeed(
            folder.path(),
            &[
                "sample",
                checkpoint,
                "--method",
                method,
                "--n",
                "300",
                "--seed",
                seed,
                "--out",
                out,
                "--threads",
                threads,
                "-q",
                "--json",
            ],
        );
        let printed: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!((&printed["n"], &printed["method"]), (&300.into(), &method.into()));
        read_npy::<_, Array2<f32>>(folder.path().join(out)).unwrap()
    };
    let sde = sample("sde", "sde.npy", "1", "1");
    assert_eq!(sde.dim(), (300, 2));
    assert_eq!(sde, sample("sde", "sde2.npy", "1", "3"));
    assert_ne!(sde, sample("sde", "sde3.npy", "2", "1"));
    assert_ne!(sde, sample("ode", "ode.npy", "1", "1"));
}

#[test]
fn w2_measures_histograms_and_points() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, array: &Array2<f64>| {
        write_npy(folder.path().join(name), array).unwrap();
    };
    let json = |arguments: &[&str]| -> Value {
        let arguments = [&["w2", "--json"], arguments].concat();
        let printed = succeed(folder.path(), &arguments);
        assert_eq!(printed.lines().count(), 1);
        serde_json::from_str(&printed).unwrap()
    };
    // Mass moved by (2, 1) nodes of spacing 2L/(n − 1) = 1.
    let mut a = Array2::zeros((8, 8));
    let mut b = a.clone();
    a[[1, 1]] = 3.0;
    a[[4, 2]] = 1.0;
    b[[2, 3]] = 30.0;
    b[[5, 4]] = 10.0;
    write("a.npy", &a);
    write("b.npy", &b);
    let found = json(&["a.npy", "b.npy"]);
    assert_eq!(found["w2sq"], 5.0);
    assert_eq!(found["w2"], 5.0_f64.sqrt());
    assert_eq!((&found["extent"], &found["nodes"]), (&Value::from(3.5), &Value::from(8)));
    assert_eq!(json(&["a.npy", "b.npy", "--extent", "7"])["w2sq"], 20.0);
    assert_eq!(json(&["a.npy", "a.npy"])["w2sq"], 0.0);
    // The same, flat, and of integers.
    let flat: Array1<u32> = a.iter().map(|&x| x as u32).collect();
    write_npy(folder.path().join("flat.npy"), &flat).unwrap();
    assert_eq!(json(&["flat.npy", "b.npy"])["w2sq"], 5.0);
    // Points at nodes of the 64 × 64 grid, spacing 7/63 = 1/9.
    write("p.npy", &ndarray::array![[-3.5, -3.5], [-3.5, 3.5], [-3.5, 0.5]]);
    write("q.npy", &ndarray::array![[-3.5 + 2.0 / 9.0, -3.5], [-3.5 + 2.0 / 9.0, 3.5], [9.0, 0.0]]);
    let found = json(&["p.npy", "p.npy"]);
    assert_eq!((&found["w2sq"], &found["mass"][0]), (&Value::from(0.0), &Value::from(3.0)));
    let found = json(&["q.npy", "q.npy"]);
    assert_eq!(found["outside"], serde_json::json!([1, 1]));
    write("p.npy", &ndarray::array![[-3.5, -3.5], [-3.5, 3.5], [0.0, -9.0]]);
    let found = json(&["p.npy", "q.npy"])["w2sq"].as_f64().unwrap();
    assert!((found - 4.0 / 81.0).abs() < 1e-15, "{found}");
    let text = succeed(folder.path(), &["w2", "p.npy", "q.npy"]);
    assert!(text.contains("W2² = 0.0493827160") && text.contains("1 and 1"), "{text}");
}

#[test]
fn w2_compares_points_by_every_method_and_cost() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let json = |arguments: &[&str]| -> Value {
        let printed = succeed(folder.path(), &[&["w2", "--json"], arguments].concat());
        serde_json::from_str(&printed).unwrap()
    };
    let close = |value: &Value, exact: f64| (value.as_f64().unwrap() - exact).abs() < 1e-12;
    // A shift by (3, 4), in another order.
    write("a.csv", "x,y\n0,0\n1,0\n0,1\n");
    write("b.csv", "3,5\n3,4\n4,4\n");
    let points = ["a.csv", "b.csv", "--points"];
    for (cost, field, exact) in
        [("squared", "w2sq", 25.0), ("euclidean", "w1", 5.0), ("manhattan", "w1", 7.0)]
    {
        let found = json(&[&points[..], &["--cost", cost, "--plan", "plan.npy"]].concat());
        assert!(close(&found[field], exact), "{found}");
        assert_eq!((&found["n"], &found["nodes"]), (&serde_json::json!([3, 3]), &Value::Null));
        let plan: Array2<f64> = read_npy(folder.path().join("plan.npy")).unwrap();
        assert_eq!((plan.ncols(), plan.column(2).sum()), (3, 1.0));
        if cost == "squared" {
            let third = 1.0 / 3.0;
            assert_eq!(
                plan,
                ndarray::array![[0.0, 1.0, third], [1.0, 2.0, third], [2.0, 0.0, third]]
            );
        }
    }
    // The divergence of a shift is its squared length, too.
    let found = json(&[&points[..], &["--method", "sinkhorn", "--epsilon", "0.01"]].concat());
    assert!((found["w2sq"].as_f64().unwrap() - 25.0).abs() < 1e-2, "{found}");
    let bracket = found["bracket"].as_array().unwrap();
    assert!(bracket[0].as_f64().unwrap() <= 25.0 + 1e-9, "{found}");
    assert!(bracket[1].as_f64().unwrap() >= 25.0 - 1e-9, "{found}");
    let sliced = |seed, threads| {
        let options = ["--method", "sliced", "--projections", "400"];
        let more = ["--seed", seed, "--threads", threads];
        json(&[&points[..2], &options[..], &more[..]].concat())
    };
    let found = sliced("1", "1");
    let error = found["standard_error"].as_f64().unwrap();
    assert!((found["w2sq"].as_f64().unwrap() - 12.5).abs() < 5.0 * error, "{found}");
    assert_eq!(found, sliced("1", "3"));
    assert_ne!(found, sliced("2", "1"));
    write("p.csv", "3\n1\n2\n");
    write("q.csv", "5\n4\n6\n");
    let found = json(&["p.csv", "q.csv", "--method", "1d"]);
    assert!(close(&found["w2sq"], 9.0) && close(&found["w2"], 3.0), "{found}");
    let found = json(&["p.csv", "q.csv", "--method", "1d", "--cost", "euclidean"]);
    assert!(close(&found["w1"], 3.0) && found.get("w2sq").is_none(), "{found}");
    let text = succeed(folder.path(), &["w2", "p.csv", "q.csv", "--method", "1d"]);
    assert!(text.contains("W2² = 9.0") && text.contains("points: 3 and 3"), "{text}");
}

#[test]
fn w2_of_counted_points_has_a_floor_an_interval_and_a_plan() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, shift: f64| {
        let points = Array2::from_shape_fn((400, 2), |(i, k)| {
            [(i % 20) as f64, (i / 20) as f64][k] / 10.0 - 1.0 + shift
        });
        write_npy(folder.path().join(name), &points).unwrap();
    };
    write("a.npy", 0.0);
    write("b.npy", 0.5);
    let json = |arguments: &[&str]| -> Value {
        let printed =
            succeed(folder.path(), &[&["w2", "a.npy", "b.npy", "--json"], arguments].concat());
        serde_json::from_str(&printed).unwrap()
    };
    let found = json(&["--nodes", "15", "--bootstrap", "20", "--plan", "plan.npy"]);
    assert!((found["w2sq"].as_f64().unwrap() - 0.5).abs() < 1e-12, "{found}");
    let floor = found["floor"].as_f64().unwrap();
    assert!(floor > 0.0 && floor < 0.1, "{found}");
    let interval: Vec<f64> = serde_json::from_value(found["interval"].clone()).unwrap();
    assert!(interval[0] < 0.5 && interval[1] > 0.4, "{found}");
    let plan: Array2<f64> = read_npy(folder.path().join("plan.npy")).unwrap();
    // By (1, 1) nodes of spacing ½ on 15 × 15.
    assert!(plan.rows().into_iter().all(|row| row[1] - row[0] == 16.0), "{plan}");
    for (cost, exact) in [("manhattan", 1.0), ("euclidean", 0.5f64.sqrt())] {
        let found = json(&["--nodes", "15", "--cost", cost]);
        assert!((found["w1"].as_f64().unwrap() - exact).abs() < 1e-9, "{found}");
    }
    let found = json(&["--nodes", "15", "--method", "sinkhorn"]);
    assert!((found["w2sq"].as_f64().unwrap() - 0.5).abs() < 0.02, "{found}");
    let text = succeed(folder.path(), &["w2", "a.npy", "b.npy"]);
    assert!(text.contains("noise floor") && text.contains("less the floor"), "{text}");
}

#[test]
fn w2_measures_histograms_in_space() {
    let folder = tempfile::tempdir().unwrap();
    let mut a = ndarray::Array3::zeros((8, 8, 8));
    let mut b = a.clone();
    a[[0, 1, 2]] = 1.0;
    b[[1, 3, 5]] = 1.0;
    write_npy(folder.path().join("a.npy"), &a).unwrap();
    write_npy(folder.path().join("b.npy"), &b).unwrap();
    let found = succeed(folder.path(), &["w2", "a.npy", "b.npy", "--json"]);
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["w2sq"], 14.0);
}

#[test]
fn every_command_has_help_with_an_example() {
    let folder = tempfile::tempdir().unwrap();
    for command in [
        "init", "run", "tune", "report", "compare", "sample", "solvers", "gap", "explain",
        "residual", "import", "w2",
    ] {
        let help = succeed(folder.path(), &[command, "--help"]);
        assert!(help.contains("Example") && help.contains(&format!("fokker {command}")), "{help}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_says_so_and_is_not_finished() {
    let folder = folder_with_tiny();
    let long = TINY.replace("steps: 12", "steps: 1000000");
    fs::write(folder.path().join("long.ron"), long).unwrap();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fokker"))
            .args(["run", "long.ron", "--out", "out"])
            .current_dir(folder.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It listens before it makes the folder, and trains for long after its first line of metrics.
        let metrics = folder.path().join("out/metrics.jsonl");
        while fs::metadata(&metrics).map_or(0, |file| file.len()) == 0 {
            assert!(child.try_wait().unwrap().is_none(), "the run ended by itself");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let message = fail(folder.path(), 2, &["run", "long.ron", "--out", "out", "-q"]);
        assert!(message.contains("in use by another run"), "{message}");
        let id = child.id().to_string();
        Command::new("kill").args(["-s", signal, &id]).status().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(!folder.path().join("out/summary.json").exists());
        // Another experiment does not replace what it left without being told to.
        let message = fail(folder.path(), 2, &["run", "tiny.ron", "--out", "out", "-q"]);
        assert!(message.contains("another experiment"), "{message}");
        succeed(folder.path(), &["run", "tiny.ron", "--out", "out", "-q", "--force"]);
        fs::remove_dir_all(folder.path().join("out")).unwrap();
    }
}

#[test]
fn the_reference_trains_as_the_kernels_do() {
    let folder = folder_with_tiny();
    let reference = TINY.replace("beta: 100.0)", "beta: 100.0), backend: reference");
    fs::write(folder.path().join("reference.ron"), reference).unwrap();
    let losses = |config: &str| -> Vec<f64> {
        succeed(folder.path(), &["run", config, "--out", "out", "-q"]);
        let out = folder.path().join("out");
        let text = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
        fs::remove_dir_all(out).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| line["loss"].as_f64().unwrap()).collect()
    };
    let (fused, reference) = (losses("tiny.ron"), losses("reference.ron"));
    assert_eq!(fused.len(), reference.len());
    assert_ne!(fused, reference);
    for (fused, reference) in fused.iter().zip(&reference) {
        assert!((fused - reference).abs() < 1e-4 * reference, "{fused} for {reference}");
    }
}

#[test]
fn an_instruction_set_that_the_machine_lacks_is_bad_input() {
    let folder = folder_with_tiny();
    let output = Command::new(env!("CARGO_BIN_EXE_fokker"))
        .args(["run", "tiny.ron", "--out", "out"])
        .current_dir(folder.path())
        .env("FOKKER_INSTRUCTION_SET", "sse9")
        .output()
        .unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("`sse9` is no instruction set of this"), "{message}");
    assert!(message.contains("FOKKER_INSTRUCTION_SET"), "{message}");
    assert!(!folder.path().join("out").exists());
}

#[test]
fn init_writes_configurations_that_run() {
    let folder = tempfile::tempdir().unwrap();
    let points: String =
        (0..60).map(|i| format!("{},{},{}\n", i % 7, (i * i) % 11, i % 5)).collect();
    fs::write(folder.path().join("points.csv"), points).unwrap();
    for (target, sde, network) in [
        ("swiss_roll", "rectified", "potential"),
        ("points.csv", "vp", "vector"),
        ("points.csv", "edm", "potential"),
        ("moons", "ou", "vector"),
    ] {
        let options = ["init", "--target", target, "--sde", sde, "--network", network];
        let text = succeed(folder.path(), &options);
        assert!(text.lines().filter(|line| line.trim().starts_with("//")).count() > 6, "{text}");
        let smaller = [
            ("steps: 20000", "steps: 30"),
            ("denoising_points: 2048", "denoising_points: 256"),
            ("warm_up: 200", "warm_up: 5"),
            ("particles: 100000", "particles: 300"),
            ("residual_points: 50000", "residual_points: 500"),
            ("40, 40, 40, 40, 40, 40, 40, 40", "8, 8"),
            ("steps: 75", "steps: 12"),
        ];
        let small = smaller.iter().fold(text, |text, (from, to)| {
            assert!(text.contains(from), "{from}: {text}");
            text.replace(from, to)
        });
        fs::write(folder.path().join("mine.ron"), small).unwrap();
        let table = succeed(folder.path(), &["run", "mine.ron", "--force", "-q", "--out", "out"]);
        assert!(table.contains(target.split('.').next().unwrap()), "{table}");
    }
    let message = fail(folder.path(), 2, &["init", "--sde", "brownian"]);
    assert!(message.contains("sub-vp"), "{message}");
}

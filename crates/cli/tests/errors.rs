//! What the binary says about bad input: names file, line and field, exits with 2, leaves nothing.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::fs;

use common::{TINY, fail};
use ndarray::{Array1, Array2, Array3, array};
use ndarray_npy::write_npy;

/// The message for the tiny study with `from` replaced by `to`.
fn with_change(from: &str, to: &str) -> String {
    assert_eq!(TINY.matches(from).count(), 1, "`{from}` must stand once in the study");
    with_text(&TINY.replace(from, to))
}

fn with_text(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("study.ron"), text).unwrap();
    let message = fail(folder.path(), 2, &["run", "study.ron", "--out", "out"]);
    assert!(!folder.path().join("out").exists(), "a refused study leaves a folder");
    message
}

#[test]
fn configurations() {
    let changes = [
        ("unknown field", "learning_rate: 1e-3", "learning_rat: 1e-3"),
        ("missing field", "particles: 500, ", ""),
        ("double field", "seed: 7,", "seed: 7, seed: 8,"),
        ("wrong type", "learning_rate: 1e-4", "learning_rate: \"fast\""),
        ("fraction for a count", "particles: 500", "particles: 1.5"),
        ("negative count", "[8, 8]", "[8, -8]"),
        ("unknown target", "[mixture]", "[chess]"),
        ("no target", "[mixture]", "[]"),
        ("target twice", "[mixture]", "[mixture, ring, mixture]"),
        ("negative weight", "[0.0, 0.5]", "[0.0, -0.5]"),
        ("weight that is no number", "[0.0, 0.5]", "[NaN]"),
        ("zero steps", "steps: 12", "steps: 0"),
        ("zero learning rate", "learning_rate: 1e-3", "learning_rate: 0.0"),
        ("no stage", "stages: [", "stages: [], other: ["),
        ("zero points", "denoising_points: 300", "denoising_points: 0"),
        ("too many particles", "particles: 500", "particles: 5000000000000"),
        ("zero width", "[8, 8]", "[8, 0]"),
        ("impossible width", "[8, 8]", "[18446744073709551615]"),
        ("zero sharpness", "beta: 100.0", "beta: 0.0"),
        ("sharpness beyond single precision", "beta: 100.0", "beta: 1e300"),
        ("infinite horizon", "horizon: 1.0", "horizon: inf"),
        ("weight beyond single precision", "[0.0, 0.5]", "[1e300]"),
        ("impossible extent", "nodes: 16, extent: 3.5", "nodes: 16, extent: 1e200"),
        ("impossible grid steps", "coarse: 8", "coarse: 18446744073709551615"),
        ("negative horizon", "horizon: 1.0", "horizon: -1.0"),
        ("unknown diffusion", "OrnsteinUhlenbeck", "Brownian"),
        ("zero grid steps", "coarse: 8", "coarse: 0"),
        ("one node", "nodes: 16", "nodes: 1"),
        ("negative extent", "nodes: 16, extent: 3.5", "nodes: 16, extent: -3.5"),
        ("time beyond the horizon", "collocation: (t_min: 1e-5", "collocation: (t_min: 2.0"),
        (
            "no Fourier features",
            "hidden: [8, 8], ",
            "hidden: [8, 8], fourier: (count: 0, scale: 1.0), ",
        ),
        ("warm-up beyond the stage", "learning_rate: 1e-3", "learning_rate: 1e-3, warm_up: 13"),
        ("one particle", "particles: 500", "particles: 1"),
        ("one point", "residual_points: 1000", "residual_points: 1"),
        (
            "nothing left of the data",
            "OrnsteinUhlenbeck(horizon: 1.0)",
            "OrnsteinUhlenbeck(horizon: 745.0)",
        ),
        (
            "a drift without an integral",
            "OrnsteinUhlenbeck(horizon: 1.0)",
            "Linear(mu: \"0.01/abs(t - 0.3)\", w: \"1\", horizon: 1.0)",
        ),
        (
            "noise that overflows",
            "OrnsteinUhlenbeck(horizon: 1.0)",
            "Linear(mu: \"1\", w: \"1e200\", horizon: 1.0)",
        ),
        ("bracket left open", "(coarse: 8, fine: 4)", "(coarse: 8, fine: 4"),
    ];
    let messages: Vec<String> = changes
        .iter()
        .map(|(what, from, to)| format!("── {what}\n{}", with_change(from, to).trim_end()))
        .collect();
    insta::assert_snapshot!("configurations", messages.join("\n\n"));
    insta::assert_snapshot!("empty_configuration", with_text(""));
    insta::assert_snapshot!("more_after_the_end", with_text(&format!("{TINY}\n()")));
}

#[test]
fn an_error_far_along_a_line_has_its_place_but_not_the_line() {
    let text =
        TINY.replace('\n', " ").replace("seed: 7,", &format!("seed:{}x,", " ".repeat(100_000)));
    let message = with_text(&text);
    assert!(message.contains("study.ron:1:") && message.len() < 300, "{message}");
    let message = with_text(&format!("\u{feff}{}", TINY.replace("seed: 7", "seed: x")));
    assert!(message.contains("study.ron:2:10: field `seed`"), "{message}");
}

/// What is wrong with targets: their parameters, their labels, the files that they name.
#[test]
fn targets() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("towns.csv", "x,y,k\n1,2,5\n3,5,5\n4,1,5\n");
    write("words.csv", "x,y\n1,2\n3,four\n");
    write("broken.csv.gz", "no archive");
    let wide: String =
        (0..4).map(|k| format!("{k}{}\n", format!(",{}", k * k).repeat(6))).collect();
    write("wide.csv", &wide);
    write("-.csv", "1,2\n3,4\n");
    write("both.csv", "Berlin,52.5,13.4\nParis,48.9,2.4\n");
    write("doubled.csv", "x,y,x\n1,2,3\n2,5,4\n");
    let targets = [
        ("degrees of freedom", "StudentT(dim: 5, degrees: -3.0, scale: 1.0)"),
        ("too many dimensions", "StudentT(dim: 1000000, degrees: 3.0, scale: 1.0)"),
        ("noise", "SwissRoll(noise: 0.0)"),
        ("unknown parameter", "Moons(noise: 0.1, size: 2.0)"),
        ("missing parameter", "Spirals(arms: 2, noise: 0.1)"),
        ("blades", "Pinwheel(blades: 0, radial_std: 0.3, tangential_std: 0.1, rate: 0.25)"),
        ("no component", "Mixture(components: [])"),
        ("no spread", "Mixture(components: [(weight: 1.0, mean: [0.0, 0.0])])"),
        (
            "ragged covariance",
            "Mixture(components: [(weight: 1.0, mean: [0.0, 0.0], covariance: [[1.0], [0.0, 1.0]])])",
        ),
        (
            "indefinite covariance",
            "Mixture(components: [(weight: 1.0, mean: [0.0, 0.0], covariance: [[1.0, 2.0], [2.0, 1.0]])])",
        ),
        (
            "two spreads",
            "Mixture(components: [(weight: 1.0, mean: [0.0], covariance: [[1.0]], variance: 1.0)])",
        ),
        (
            "beyond single precision",
            "Mixture(components: [(weight: 1.0, mean: [1e308, 0.0], variance: 1.0)])",
        ),
        (
            "outside of the box",
            "Mixture(components: [(weight: 1.0, mean: [50.0, 0.0], variance: 1.0)])",
        ),
        ("a polygon that crosses itself", "Polygons([[(0, 0), (1, 1), (1, 0), (0, 1)]])"),
        ("no polygon", "Polygons()"),
        ("name of a file", "Moons(noise: 0.1, name: \"a/b\")"),
        ("duplicate label", "moons, Moons(noise: 0.1)"),
        ("label of a file", "Points(path: \"-.csv\")"),
        ("ending", "Points(path: \"towns.txt\")"),
        ("missing file", "ring, Points(path: \"missing.csv\")"),
        ("words", "Points(path: \"words.csv\")"),
        ("words in a column that is taken", "Points(path: \"words.csv\", columns: [1])"),
        ("names and numbers in the first line", "Points(path: \"both.csv\", columns: [1, 2])"),
        ("doubled name", "Points(path: \"doubled.csv\")"),
        ("no archive", "Points(path: \"broken.csv.gz\")"),
        ("unknown column", "Points(path: \"towns.csv\", columns: [\"x\", \"z\"])"),
        ("column beyond the last", "Points(path: \"towns.csv\", columns: [(first: 1, last: 3)])"),
        ("column twice", "Points(path: \"towns.csv\", columns: [\"x\", 0])"),
        ("constant column", "Points(path: \"towns.csv\")"),
        ("held out of range", "Points(path: \"towns.csv\", held_out: 1.0)"),
        ("nothing to train on", "Points(path: \"towns.csv\", columns: [0], held_out: 0.9)"),
        ("noise of data", "Points(path: \"towns.csv\", dequantise: -1.0)"),
        ("images", "Points(path: \"towns.csv\", dequantise: 1.0, images: (width: 2, height: 2))"),
        ("box in seven dimensions", "Points(path: \"wide.csv\")"),
    ];
    let message = |target: &str| {
        write("study.ron", &TINY.replace("[mixture]", &format!("[{target}]")));
        let message = fail(folder.path(), 2, &["run", "study.ron", "--out", "out"]);
        assert!(!folder.path().join("out").exists(), "a refused study leaves a folder");
        message
    };
    let messages: Vec<String> = targets
        .iter()
        .map(|(what, target)| format!("── {what}\n{}", message(target).trim_end()))
        .collect();
    insta::assert_snapshot!("targets", messages.join("\n\n"));
}

#[test]
fn files_and_options() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("study.ron"), TINY).unwrap();
    fs::write(path("text.npy"), "no array").unwrap();
    fs::write(path("text.safetensors"), "no checkpoint").unwrap();
    write_npy(path("a.npy"), &Array2::<f64>::ones((4, 4))).unwrap();
    write_npy(path("b.npy"), &Array2::<f64>::ones((5, 5))).unwrap();
    write_npy(path("cube.npy"), &Array3::<f64>::ones((3, 3, 3))).unwrap();
    write_npy(path("wide.npy"), &Array2::<f64>::ones((4, 7))).unwrap();
    write_npy(path("flags.npy"), &Array1::from_elem(4, true)).unwrap();
    write_npy(path("zero.npy"), &Array2::<f64>::zeros((4, 4))).unwrap();
    write_npy(path("nan.npy"), &array![[1.0, 2.0], [f64::NAN, 4.0]]).unwrap();
    write_npy(path("negative.npy"), &array![[1.0, 2.0], [3.0, -4.0]]).unwrap();
    write_npy(path("points.npy"), &array![[0.0, 0.0], [1.0, 0.0], [0.5, 0.5]]).unwrap();
    write_npy(path("lost.npy"), &array![[0.0, 0.0], [1.0, f64::INFINITY], [0.5, 0.5]]).unwrap();
    fs::write(path("points.csv"), "x,y\n0,1\n2,three\n").unwrap();
    write_npy(path("far.npy"), &array![[9.0, 0.0], [0.0, 9.0], [9.0, 9.0]]).unwrap();
    write_npy(path("large.npy"), &Array2::<u8>::ones((1025, 1025))).unwrap();
    // Headers that no library of ours would write.
    let array = |descriptor: &str, shape: &str| {
        let dictionary =
            format!("{{'descr': '{descriptor}', 'fortran_order': False, 'shape': ({shape}), }}");
        let header = format!("{dictionary:<117}\n");
        [&b"\x93NUMPY\x01\x00\x76\x00"[..], header.as_bytes(), &[0; 32]].concat()
    };
    fs::write(path("half.npy"), array("<f2", "4, 4")).unwrap();
    fs::write(path("huge.npy"), array("<f8", "1000000000000, 2")).unwrap();
    fs::write(path("void.npy"), array("<f8", "0, 18446744073709551615")).unwrap();
    let commands: &[&[&str]] = &[
        &["run", "missing.ron"],
        &["run", "."],
        &["run", "study.ron", "--threads", "0"],
        &["run", "study.ron", "--threads", "20000"],
        &["init", "--threads", "2"],
        &["run", "study.ron", "--seed", "-1"],
        &["init", "--seed", "1"],
        &["w2", "a.npy", "a.npy", "--method", "magic"],
        &["w2", "a.npy", "a.npy", "--method", "1d"],
        &["w2", "a.npy", "a.npy", "--method", "sliced", "--plan", "plan.npy"],
        &["w2", "a.npy", "a.npy", "--method", "sliced", "--cost", "manhattan"],
        &["w2", "a.npy", "a.npy", "--method", "sinkhorn", "--cost", "euclidean"],
        &["w2", "a.npy", "a.npy", "--method", "sinkhorn", "--epsilon", "0"],
        &["w2", "a.npy", "a.npy", "--epsilon", "0.1"],
        &["w2", "a.npy", "a.npy", "--projections", "10"],
        &["w2", "a.npy", "a.npy", "--points", "--extent", "1"],
        &["w2", "a.npy", "b.npy", "--points"],
        &["w2", "a.npy", "a.npy", "--plan", "missing/plan.npy"],
        &["w2", "a.npy", "a.npy", "--plan", "a.npy"],
        &["w2", "points.npy", "points.csv", "--points"],
        &["w2", "a.npy", "missing.npy"],
        &["w2", "a.npy", "text.npy"],
        &["w2", "a.npy", "b.npy"],
        &["w2", "a.npy", "points.npy"],
        &["w2", "cube.npy", "a.npy"],
        &["w2", "wide.npy", "a.npy"],
        &["w2", "flags.npy", "a.npy"],
        &["w2", "half.npy", "a.npy"],
        &["w2", "huge.npy", "a.npy"],
        &["w2", "void.npy", "a.npy"],
        &["w2", "large.npy", "large.npy"],
        &["w2", "zero.npy", "a.npy"],
        &["w2", "nan.npy", "nan.npy"],
        &["w2", "negative.npy", "negative.npy"],
        &["w2", "points.npy", "lost.npy"],
        &["w2", "points.npy", "far.npy"],
        &["w2", "a.npy", "a.npy", "--extent", "0"],
        &["w2", "a.npy", "a.npy", "--extent", "NaN"],
        &["gap", "text.safetensors", "--target", "moons", "--n", "1"],
        &["residual", "text.safetensors", "--points", "1"],
        &["sample", "missing.safetensors", "--method", "sde", "--n", "5", "--out", "x.npy"],
        &["sample", "text.safetensors", "--method", "sde", "--n", "5", "--out", "x.npy"],
        &["sample", "text.safetensors", "--method", "sde", "--n", "0", "--out", "x.npy"],
        &["sample", "text.safetensors", "--method", "magic", "--n", "5", "--out", "x.npy"],
    ];
    let before = fs::read_dir(folder.path()).unwrap().count();
    let messages: Vec<String> = commands
        .iter()
        .map(|arguments| {
            let message = fail(folder.path(), 2, arguments);
            format!("$ fokker {}\n{}", arguments.join(" "), message.trim_end())
        })
        .collect();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before, "a refusal leaves a file");
    insta::assert_snapshot!("files_and_options", messages.join("\n\n"));
}

#[cfg(unix)]
#[test]
fn a_pipe_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = |name: &str| {
        let made = std::process::Command::new("mkfifo").arg(folder.path().join(name)).status();
        assert!(made.unwrap().success());
    };
    ["pipe.ron", "pipe.csv", "pipe.npy", "pipe.safetensors"].into_iter().for_each(pipe);
    for arguments in [
        &["run", "pipe.ron"][..],
        &["w2", "pipe.csv", "pipe.npy"],
        &["residual", "pipe.safetensors"],
        &["init", "--target", "pipe.npy"],
    ] {
        let message = fail(folder.path(), 2, arguments);
        assert!(message.contains("is not a regular file"), "{message}");
    }
}

#[test]
fn samples_go_to_a_file_in_a_folder_that_exists() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("study.ron"), TINY).unwrap();
    common::succeed(folder.path(), &["run", "study.ron", "--out", "out", "-q"]);
    let checkpoint = "out/checkpoints/mixture_w0.safetensors";
    let sample = |out: &str| {
        fail(folder.path(), 2, &["sample", checkpoint, "--method", "ode", "--n", "5", "--out", out])
    };
    assert!(sample("none/x.npy").contains("the folder none does not exist"));
    assert!(sample("out").contains("out: is a folder"));
    assert!(sample("x.csv").contains("x.csv: does not end in .npy"));
    assert!(sample(checkpoint).contains("is a file that this command reads"));
    if cfg!(unix) {
        assert!(sample("/dev/null").contains("is not a regular file"));
    }
}

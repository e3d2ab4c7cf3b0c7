//! Models from files: imported from PyTorch's format, measured, evaluated at points.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::fs;
use std::path::Path;

use common::{TINY, fail, succeed};
use ndarray::Array2;
use ndarray_npy::{read_npy, write_npy};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let printed = succeed(folder, arguments);
    assert_eq!(printed.lines().count(), 1, "{printed}");
    serde_json::from_str(&printed).unwrap()
}

fn folder_with_run() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.ron"), TINY).unwrap();
    succeed(folder.path(), &["run", "tiny.ron", "--out", "out", "-q"]);
    folder
}

const MODEL: &str = "out/checkpoints/mixture_w0.5.safetensors";

/// `fokker gap` of a run's network with the run's settings finds what the run found.
#[test]
fn the_gap_of_a_checkpoint_is_that_of_its_run() {
    let folder = folder_with_run();
    let cells = |found: &Value| found["cells"].as_array().unwrap().clone();
    let text = fs::read(folder.path().join("out/cells/mixture_w0.5.json")).unwrap();
    let known: Value = serde_json::from_slice(&text).unwrap();
    let common = ["gap", MODEL, "out/checkpoints/mixture_w0.safetensors", "--target", "mixture"];
    let options = [
        "--n",
        "500",
        "--grid",
        "paper",
        "--steps",
        "12",
        "--seed",
        "7",
        "--points",
        "1000",
        "--bootstrap",
        "10",
    ];
    let arguments = [&common[..], &options, &["--json", "-q", "--figure", "gap.png"]].concat();
    let found = cells(&json(folder.path(), &arguments));
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["model"], MODEL);
    let names = |cell: &Value| cell.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found[0]), names(&known));
    assert_eq!((&found[0]["w_r"], &found[0]["train_seconds"]), (&Value::Null, &Value::Null));
    // The steps of the run are others, and its grid has 16 nodes a side; the network is the same.
    for field in ["mean_residual_sq", "marginal_residual_sq", "dsm", "residual_bands"] {
        assert_eq!(found[0][field], known[field], "{field}");
    }
    assert!(found[0]["w2sq_ode_sde"].as_f64().unwrap() > 0.0);
    assert!(fs::read(folder.path().join("gap.png")).unwrap().starts_with(b"\x89PNG"));
    // The number of threads does not matter.
    let again = [&arguments[..], &["--threads", "3"]].concat();
    let mut again = cells(&json(folder.path(), &again));
    for (cell, before) in again.iter_mut().zip(&found) {
        cell["sample_seconds"] = before["sample_seconds"].clone();
    }
    assert_eq!(again, found);
    let text = succeed(folder.path(), &[&common[..], &options, &["-q"]].concat());
    for expected in ["ODE–truth", "SDE–truth", "ODE–SDE", "95 % interval", "along p_t", "DSM loss"]
    {
        assert!(text.contains(expected), "{text}");
    }
    // The residual alone is the same.
    let alone =
        ["residual", MODEL, "--target", "mixture", "--seed", "7", "--points", "1000", "--json"];
    let alone = json(folder.path(), &alone);
    for field in ["mean_residual_sq", "marginal_residual_sq", "residual_bands"] {
        assert_eq!(alone[field], known[field], "{field}");
    }
    let plain =
        json(folder.path(), &["residual", MODEL, "--seed", "7", "--points", "1000", "--json"]);
    assert_eq!(plain["mean_residual_sq"], known["mean_residual_sq"]);
    assert_eq!(plain["marginal_residual_sq"], Value::Null);
}

#[test]
fn a_target_may_be_points_in_a_file() {
    let folder = folder_with_run();
    let truth = "out/samples/mixture_truth.npy";
    let points: Array2<f32> = read_npy(folder.path().join(truth)).unwrap();
    let line =
        |p: ndarray::ArrayView1<'_, f32>| format!("{},{}\n", f64::from(p[0]), f64::from(p[1]));
    let text: String = points.rows().into_iter().map(line).collect();
    fs::write(folder.path().join("truth.csv"), format!("# points\nx,y\n{text}")).unwrap();
    let gap = |target: &str| {
        let common = [
            "gap", MODEL, "--n", "500", "--grid", "paper", "--steps", "12", "--points", "500",
            "--seed", "7",
        ];
        json(
            folder.path(),
            &[&common[..], &["--target", target, "--bootstrap", "10", "--json", "-q"]].concat(),
        )
    };
    let (from_npy, from_csv, named) = (gap(truth), gap("truth.csv"), gap("mixture"));
    let field = |found: &Value, name: &str| found["cells"][0][name].clone();
    for name in ["floor", "w2sq_ode_truth", "w2sq_sde_truth_ci", "dsm", "marginal_residual_sq"] {
        assert_eq!(field(&from_npy, name), field(&from_csv, name), "{name}");
    }
    // These points are what the name stands for with this seed.
    for name in ["w2sq_ode_truth", "w2sq_sde_truth", "w2sq_ode_sde", "mean_residual_sq"] {
        assert_eq!(field(&from_npy, name), field(&named, name), "{name}");
    }
    assert_eq!(field(&from_npy, "n_truth"), 500);
}

#[test]
fn values_at_points_are_those_of_the_potential() {
    let folder = folder_with_run();
    fs::write(folder.path().join("points.csv"), "y,t,x\n0.5,0.2,-1\n1,0.7,0.25\n").unwrap();
    let values = |precision: &str| -> Vec<Vec<f64>> {
        let out = ["residual", MODEL, "--at", "points.csv", "--out", "values.csv", "-q"];
        succeed(folder.path(), &[&out[..], &["--precision", precision]].concat());
        let text = fs::read_to_string(folder.path().join("values.csv")).unwrap();
        let (head, rows) = text.split_once('\n').unwrap();
        assert_eq!(head, "t,x,y,phi,phi_t,phi_x,phi_y,laplacian,residual");
        rows.lines().map(|row| row.split(',').map(|v| v.parse().unwrap()).collect()).collect()
    };
    let (single, double) = (values("f32"), values("f64"));
    assert_eq!(double[0][..3], [0.2, -1.0, 0.5]);
    for (single, double) in single.iter().zip(&double) {
        for (a, b) in single.iter().zip(double) {
            assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{a} for {b}");
        }
        let [_, x, y, _, phi_t, phi_x, phi_y, laplacian, residual] = double[..] else {
            unreachable!("nine columns")
        };
        let expected =
            phi_t - 2.0 - x * phi_x - y * phi_y - 0.5 * (laplacian + phi_x * phi_x + phi_y * phi_y);
        assert!((residual - expected).abs() < 1e-12 * (1.0 + residual.abs()));
    }
}

const DESCRIPTION: &str = "(
    inputs: [\"x1\", \"t\", \"x2\"],
    layers: [\"first\", \"last\"],
    activation: Softplus(beta: 2.0, threshold: 20.0),
    diffusion: OrnsteinUhlenbeck(horizon: 4.0),
)
";

/// A network of one hidden layer of two, written as PyTorch would; `F32`, or `F64`.
fn state_dict(path: &Path, double: bool) {
    let tensors: [(&str, Vec<usize>, Vec<f64>); 4] = [
        ("first.weight", vec![2, 3], vec![0.5, -0.25, 1.5, -2.0, 0.75, 0.125]),
        ("first.bias", vec![2], vec![0.5, -1.0]),
        ("last.weight", vec![1, 2], vec![2.0, -3.0]),
        ("last.bias", vec![1], vec![0.25]),
    ];
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, values)| match double {
            true => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            false => values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect(),
        })
        .collect();
    let dtype = if double { Dtype::F64 } else { Dtype::F32 };
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        (*name, TensorView::new(dtype, shape.clone(), bytes).unwrap())
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn a_state_dict_becomes_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("net.ron"), DESCRIPTION).unwrap();
    fs::write(folder.path().join("points.csv"), "0.5,1.0,-2.0\n").unwrap();
    for double in [false, true] {
        state_dict(&folder.path().join("net.safetensors"), double);
        let arguments =
            ["import", "net.safetensors", "--network", "net.ron", "--out", "m.safetensors"];
        let found = json(folder.path(), &[&arguments[..], &["--json"]].concat());
        assert_eq!((&found["parameters"], &found["double"]), (&11.into(), &double.into()));
        let at = ["residual", "m.safetensors", "--at", "points.csv", "--out", "v.csv", "-q"];
        succeed(folder.path(), &[&at[..], &["--precision", "f64"]].concat());
        let text = fs::read_to_string(folder.path().join("v.csv")).unwrap();
        let row: Vec<f64> =
            text.lines().nth(1).unwrap().split(',').map(|v| v.parse().unwrap()).collect();
        // The columns of the first weight multiply x1, t and x2, here 1, 0.5 and −2.
        let z = [0.5 - 0.25 * 0.5 - 1.5 * 2.0 + 0.5, -2.0 + 0.75 * 0.5 - 0.125 * 2.0 - 1.0];
        let softplus = |z: f64| (2.0 * z).exp().ln_1p() / 2.0;
        let phi = 2.0 * softplus(z[0]) - 3.0 * softplus(z[1]) + 0.25;
        assert!((row[3] - phi).abs() < 1e-14, "{} for {phi}", row[3]);
    }
    succeed(
        folder.path(),
        &["sample", "m.safetensors", "--method", "ode", "--n", "9", "--out", "x.npy", "-q"],
    );
    // Without `threshold`, and with tensors that do not fit.
    let refuse = |from: &str, to: &str| {
        assert_eq!(DESCRIPTION.matches(from).count(), 1, "{from}");
        fs::write(folder.path().join("bad.ron"), DESCRIPTION.replace(from, to)).unwrap();
        let arguments =
            ["import", "net.safetensors", "--network", "bad.ron", "--out", "none.safetensors"];
        let message = fail(folder.path(), 2, &arguments);
        assert!(!folder.path().join("none.safetensors").exists());
        message
    };
    assert!(refuse("\"first\", ", "").contains("tensor `first.bias` is not part of the network"));
    assert!(refuse("\"last\"", "\"final\"").contains("`last.bias` is not part"));
    assert!(refuse("\"first\", ", "\"first\", \"second\", ").contains("no tensor `second.weight`"));
    assert!(refuse("\"x2\"", "\"x3\"").contains("there is no `x2`"));
    assert!(refuse(", \"x2\"", "").contains("[2, 3]"));
    assert!(refuse("threshold: 20.0", "threshold: -1.0").contains("at least 1"));
    assert!(refuse("horizon: 4.0", "horizon: 0.0").contains("horizon"));
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let folder = folder_with_run();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("words.csv", "x,y\n1,2\n3,four\n");
    write("ragged.csv", "1,2\n3\n");
    write("empty.csv", "x,y\n");
    write("infinite.csv", "1,inf\n");
    write("three.csv", "1,2,3\n4,5,6\n");
    write("one.csv", "0,0\n");
    write("far.csv", "100,200\n100,300\n");
    write("times.csv", "t,x,z\n1,2,3\n");
    write("late.csv", "0.5,0,0\n2,0,0\n");
    write_npy(folder.path().join("flat.npy"), &ndarray::Array1::<f64>::ones(5)).unwrap();
    let gap = |target: &str| fail(folder.path(), 2, &["gap", MODEL, "--target", target, "-q"]);
    assert!(gap("chess").contains("checkerboard, circles, ring, mixture"));
    assert!(gap("missing.csv").contains("cannot read missing.csv"));
    assert!(gap("words.csv").contains("line 3, column 2: `four` is no number"));
    assert!(gap("ragged.csv").contains("ragged.csv"));
    assert!(gap("empty.csv").contains("holds no numbers"));
    assert!(gap("infinite.csv").contains("line 1, column 2: inf is not finite"));
    assert!(gap("three.csv").contains("three.csv"));
    assert!(gap("one.csv").contains("one.csv: holds one point"));
    assert!(gap("far.csv").contains("no mass lies on the grid"));
    assert!(gap("flat.npy").contains("expected points [m, d]"));
    let at = |points: &str| {
        fail(folder.path(), 2, &["residual", MODEL, "--at", points, "--out", "v.csv"])
    };
    assert!(at("times.csv").contains("columns t,x,z, expected t,x,y"));
    assert!(at("far.csv").contains("has 2 columns, expected t,x,y"));
    assert!(at("late.csv").contains("point 1: t = 2 is not between 0 and 1"));
    let figure = ["gap", MODEL, "--target", "mixture", "--figure", "gap.pdf"];
    assert!(fail(folder.path(), 2, &figure).contains(".png or .svg"));
    let early = ["residual", MODEL, "--t-min", "3"];
    assert!(fail(folder.path(), 2, &early).contains("its diffusion ends before"));
    assert!(!folder.path().join("v.csv").exists());
}

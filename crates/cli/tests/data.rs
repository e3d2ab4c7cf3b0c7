//! Targets with parameters and from files, in other dimensions than two.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{TINY, fail, files, fingerprint, succeed};
use ndarray::{Array2, Axis};
use ndarray_npy::read_npy;
use serde_json::Value;

/// A table of three columns of numbers: far from zero, small, and whole.
fn table(rows: usize) -> String {
    let row = |k: usize| {
        let u = (k as f64 * 0.618_033_988_75).fract();
        let v = (k as f64 * 0.754_877_666).fract();
        format!("{},{},{},{}\n", k, 1000.0 + 40.0 * u, 0.01 * (u + v), (4.0 * v).floor())
    };
    (0..rows).fold("id,far,small,whole\n".to_owned(), |text, k| text + &row(k))
}

const POINTS: &str = "Points(path: \"data/table.csv\", columns: [\"far\", \"small\", 3], \
                      dequantise: 1.0, held_out: 0.25, name: \"table\")";

/// A folder with the table and a study of some targets with a step count long enough to learn the scale.
fn folder_with(targets: &str, steps: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/table.csv"), table(200)).unwrap();
    let study = TINY
        .replace("[mixture]", &format!("[{targets}]"))
        .replace("steps: 12,", &format!("steps: {steps},"));
    fs::write(folder.path().join("study.ron"), study).unwrap();
    folder
}

fn cell(run: &Path, stem: &str) -> Value {
    serde_json::from_slice(&fs::read(run.join(format!("cells/{stem}.json"))).unwrap()).unwrap()
}

#[test]
fn points_of_a_file_come_back_in_its_units() {
    let folder = folder_with(POINTS, 200);
    let at = |name: &str| folder.path().join("out").join(name);
    let summary = succeed(folder.path(), &["run", "study.ron", "--out", "out", "-q"]);
    for expected in [
        "sliced W2² between N = 500 points",
        "in standardised units, the truth being 50 points held out of training",
    ] {
        assert!(summary.contains(expected), "{summary}");
    }
    // A point of the truth is one of the file, with noise on [0, 1) on each component.
    let truth: Array2<f64> = read_npy(at("samples/table_truth.npy")).unwrap();
    assert_eq!(truth.dim(), (50, 3));
    assert!(truth.column(0).iter().all(|x| (1000.0..1041.0).contains(x)), "{truth}");
    let samples: Array2<f64> = read_npy(at("samples/table_w0_ode.npy")).unwrap();
    let mean = samples.mean_axis(Axis(0)).unwrap();
    assert!((1000.0..1041.0).contains(&mean[0]) && (0.0..1.1).contains(&mean[1]), "{mean}");
    // As are those that are drawn anew, to the bit with the same steps; here only to the scale.
    let checkpoint = "out/checkpoints/table_w0.safetensors";
    let sample = ["sample", checkpoint, "--method", "ode", "--n", "200", "--out", "x.npy", "-q"];
    succeed(folder.path(), &sample);
    let again: Array2<f64> = read_npy(folder.path().join("x.npy")).unwrap();
    let mean = again.mean_axis(Axis(0)).unwrap();
    assert!((1000.0..1041.0).contains(&mean[0]), "{mean}");

    let found = cell(&folder.path().join("out"), "table_w0.5");
    assert_eq!((&found["distance"], &found["n_truth"]), (&"sliced_w2sq".into(), &50.into()));
    assert_eq!((&found["standardised"], &found["held_out"]), (&true.into(), &true.into()));
    // In units of the standard deviation; a pair of laws as far apart as the table is wide has 1000.
    for field in ["w2sq_ode_truth", "w2sq_sde_truth", "w2sq_ode_sde", "floor", "mean_residual_sq"] {
        let value = found[field].as_f64().unwrap();
        assert!(value > 0.0 && value < 50.0, "{field}: {value}");
    }
    assert!(found["energy"]["ode_truth"]["floor"].as_f64().unwrap() > 0.0);

    // The same points, measured as any others; every mean is there but for the points held out.
    fs::write(folder.path().join("some.csv"), columns(&table(200))).unwrap();
    let gap = [
        "gap", checkpoint, "--target", "some.csv", "--n", "300", "--steps", "12", "--points", "100",
    ];
    let printed = succeed(
        folder.path(),
        &[&gap[..], &["--bootstrap", "10", "-q", "--figure", "g.png"]].concat(),
    );
    assert!(
        printed.contains("in standardised units") && printed.contains("sliced W2²"),
        "{printed}"
    );
    let residual = ["residual", checkpoint, "--target", "some.csv", "--points", "100"];
    let printed = succeed(folder.path(), &residual);
    assert!(
        printed.contains("in standardised units") && printed.contains("along p_t"),
        "{printed}"
    );
    // The configuration as resolved names the file from anywhere.
    let resolved = fs::read_to_string(at("config.ron")).unwrap();
    let absolute = folder.path().join("data/table.csv");
    assert!(resolved.contains(absolute.to_str().unwrap()), "{resolved}");
    fs::create_dir(folder.path().join("else")).unwrap();
    succeed(&folder.path().join("else"), &["run", "../out/config.ron", "--out", "again", "-q"]);
    let [first, again] = ["out", "else/again"].map(|run| fingerprint(&folder.path().join(run)));
    assert_eq!(first, again);
}

/// The last three columns of the table.
fn columns(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.split_once(',').unwrap().1)).collect()
}

#[test]
fn laws_on_the_line_and_in_space_are_measured_as_they_can_be() {
    let targets = "StudentT(dim: 1, degrees: 5.0, scale: 1.0), StudentT(dim: 5, degrees: 5.0, \
                   scale: 0.5, name: \"five\"), Polygons([[(0, 0), (2, 0), (0, 2)]], \"corner\"), \
                   Mixture(components: [(weight: 1.0, mean: [1.0, 0.0, 0.0], variance: 0.5)], name: \
                   \"ball\"), moons";
    let folder = folder_with(targets, 12);
    let run = folder.path().join("out");
    let summary = succeed(folder.path(), &["run", "study.ron", "--out", "out", "-q"]);
    for expected in [
        "student_t: W2² between N = 500 points on the line, seed 7\n",
        "five: sliced W2² between N = 500 points, over 200 directions, seed 7\n",
        "corner: W2² between histograms of N = 500 points on 16 × 16 nodes over ±3.5, seed 7\n",
    ] {
        assert!(summary.contains(expected), "{summary}");
    }
    for (stem, distance, boxed) in [
        ("student_t_w0", "w2sq_line", true),
        ("five_w0", "sliced_w2sq", false),
        ("corner_w0.5", "w2sq_grid", true),
        ("ball_w0", "sliced_w2sq", true),
        ("moons_w0", "w2sq_grid", true),
    ] {
        let found = cell(&run, stem);
        assert_eq!(found["distance"], distance, "{stem}");
        assert_eq!(found["mean_residual_sq"].is_null(), !boxed, "{stem}");
        assert!(found["marginal_residual_sq"].as_f64().unwrap() > 0.0, "{stem}");
        assert_eq!(found.get("energy").is_none(), distance == "w2sq_grid", "{stem}");
        let [low, high] = [0, 1].map(|k| found["w2sq_ode_sde_ci"][k].as_f64().unwrap());
        assert!(low < high, "{stem}: {found}");
    }
    // The exact distance on the line follows from the samples.
    let w2 = ["w2", "out/samples/student_t_w0_ode.npy", "out/samples/student_t_w0_sde.npy"];
    let measured = succeed(folder.path(), &[&w2[..], &["--method", "1d", "--json"]].concat());
    let measured: Value = serde_json::from_str(&measured).unwrap();
    assert_eq!(measured["w2sq"], cell(&run, "student_t_w0")["w2sq_ode_sde"]);
    // What is in the plane is drawn side by side, the rest alone.
    let figures = files(&run.join("figures"));
    for name in ["densities.png", "densities_student_t.svg", "densities_five.png", "gap.png"] {
        assert!(figures.contains(&name.to_owned()), "{figures:?}");
    }
    let tables = succeed(folder.path(), &["report", "out"]);
    assert!(tables.contains("Squared energy distances") && tables.contains('–'), "{tables}");
    // In five dimensions a box says nothing.
    let message = fail(folder.path(), 2, &["residual", "out/checkpoints/five_w0.safetensors"]);
    assert!(message.contains("5 dimensions"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_run_on_a_file_goes_on_unless_the_file_changed() {
    // Long enough to be met in the first of its cells.
    let folder = folder_with(POINTS, 2500);
    let run = ["run", "study.ron", "--out", "out", "-q"];
    succeed(folder.path(), &["run", "study.ron", "--out", "whole", "-q"]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_fokker"))
        .args(run)
        .current_dir(folder.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let metrics = folder.path().join("out/metrics.jsonl");
    while fs::read_to_string(&metrics).map_or(0, |text| text.lines().count()) < 20 {
        assert!(child.try_wait().unwrap().is_none(), "the run ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    assert!(!child.wait().unwrap().success());

    let path = folder.path().join("data/table.csv");
    let original = fs::read_to_string(&path).unwrap();
    fs::write(&path, original.replace("1000", "1001")).unwrap();
    let message = fail(folder.path(), 2, &run).replace("\n  │ ", " ");
    assert!(message.contains("has changed since the run in out was started"), "{message}");
    fs::write(&path, original).unwrap();
    succeed(folder.path(), &run);
    assert_eq!(fingerprint(&folder.path().join("out")), fingerprint(&folder.path().join("whole")));
    // A finished run is reported without its data.
    fs::remove_file(&path).unwrap();
    succeed(folder.path(), &["report", "out"]);
}

#[test]
fn points_outside_of_the_box_are_the_fault_of_their_file() {
    let targets = "Points(path: \"data/table.csv\", columns: [0, 1], standardise: None)";
    let folder = folder_with(targets, 12);
    let message = fail(folder.path(), 2, &["run", "study.ron", "--out", "out", "-q"]);
    let message = message.replace("\n  │ ", " ");
    assert!(
        message.contains("target `table`: none of 200 points of it lies in the box ±3.5"),
        "{message}"
    );
    assert!(message.contains("`measurement.extent`") && !folder.path().join("out").exists());
}

#[test]
fn points_far_from_zero_keep_their_digits() {
    let folder = folder_with("Points(path: \"data/utm.csv\")", 12);
    // Eastings and northings in metres, a street wide.
    let place = |k: usize| {
        let fraction = |x: f64| (k as f64 * x).fract();
        [392_000.0 + 9.0 * fraction(0.618), 5_820_000.0 + 9.0 * fraction(0.755)]
    };
    let text: String = (0..100).map(place).map(|[x, y]| format!("{x:?},{y:?}\n")).collect();
    fs::write(folder.path().join("data/utm.csv"), text).unwrap();
    succeed(folder.path(), &["run", "study.ron", "--out", "out", "-q"]);
    let truth: Array2<f64> = read_npy(folder.path().join("out/samples/utm_truth.npy")).unwrap();
    for (k, row) in truth.rows().into_iter().enumerate() {
        let [x, y] = place(k);
        assert!((row[0] - x).abs() < 1e-8 && (row[1] - y).abs() < 1e-8, "{row} for {x}, {y}");
    }
    // In single precision neighbours at this northing are half a metre apart.
    let samples: Array2<f64> = read_npy(folder.path().join("out/samples/utm_w0_sde.npy")).unwrap();
    let halves = samples.column(1).iter().filter(|y| (**y * 2.0).fract() == 0.0).count();
    assert!(halves < 10, "{halves}");
}

#[test]
fn truth_outside_of_the_box_is_told() {
    let far = "Mixture(components: [(weight: 1, mean: [0, 0], variance: 0.1), (weight: 3, mean: [10, 0], \
               variance: 0.1)], name: \"far\")";
    let folder = folder_with(far, 12);
    let summary = succeed(folder.path(), &["run", "study.ron", "--out", "out", "-q"]);
    let share = cell(&folder.path().join("out"), "far_w0")["outside_truth"].as_f64().unwrap();
    // Of 500 points 75 % with a standard deviation of 2 %; 5 of them, false-alarm rate 6e-7.
    assert!((share - 0.75).abs() < 0.1, "{share}");
    let words = "% of the truth's points lie outside the box";
    assert!(summary.contains(words) && summary.contains("truth outside"), "{summary}");
    let tables = succeed(folder.path(), &["report", "out"]);
    assert!(tables.contains(words) && tables.contains("truth outside"), "{tables}");
    assert!(tables.contains("95 %: bootstrap intervals"), "{tables}");
    let page = fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(page.contains(words));
    let gap = ["gap", "out/checkpoints/far_w0.safetensors", "--target", "mixture", "--steps", "12"];
    let small = ["--n", "300", "--points", "100", "--bootstrap", "10", "--extent", "1", "-q"];
    let text = succeed(folder.path(), &[&gap[..], &small].concat());
    assert!(text.contains("% of the truth's\n") && text.contains(words), "{text}");
}

#[test]
fn a_target_with_hardly_a_point_in_the_box_leaves_the_others_their_results() {
    let far = "Mixture(components: [(weight: 1, mean: [0, 0], variance: 0.1), (weight: 200, mean: [10, 0], \
               variance: 0.1)], name: \"far\"), moons";
    let folder = folder_with(far, 12);
    let message = fail(folder.path(), 1, &["run", "study.ron", "--out", "out", "-q"]);
    let message = message.replace("\n  │ ", " ");
    assert!(message.contains("far") && message.contains("lie in the box ±3.5"), "{message}");
    let cells = files(&folder.path().join("out/cells"));
    assert_eq!(cells, ["moons_w0.5.json", "moons_w0.json"]);
}

#[test]
fn a_residual_that_is_no_number_is_an_error() {
    let folder = folder_with("moons", 12);
    succeed(folder.path(), &["run", "study.ron", "--out", "out", "-q"]);
    let mut bytes = fs::read(folder.path().join("out/checkpoints/moons_w0.safetensors")).unwrap();
    // Weights beyond what single precision can square.
    let from = bytes.len() - 64;
    bytes[from..].chunks_mut(4).for_each(|chunk| chunk.copy_from_slice(&1e30_f32.to_le_bytes()));
    fs::write(folder.path().join("large.safetensors"), bytes).unwrap();
    let message = fail(folder.path(), 1, &["residual", "large.safetensors", "--points", "50"]);
    assert!(message.contains("large.safetensors: the mean of ε² over the box is"), "{message}");
}

#[test]
fn a_vector_score_has_no_residual() {
    let folder = folder_with("moons", 12);
    let path = folder.path().join("study.ron");
    let study = fs::read_to_string(&path).unwrap();
    let study = study
        .replace("hidden: [8, 8]", "hidden: [8, 8], output: Vector")
        .replace("[0.0, 0.5]", "[0.0]");
    fs::write(&path, study).unwrap();
    succeed(folder.path(), &["run", "study.ron", "--out", "out", "-q"]);
    let residual = ["residual", "out/checkpoints/moons_w0.safetensors"];
    let message = fail(folder.path(), 2, &residual).replace("\n  │ ", " ");
    assert!(message.contains("is a vector score, which has no potential"), "{message}");
}

#[test]
fn images_have_a_sheet() {
    let targets = "Points(path: \"data/table.csv\", columns: [(first: 0, last: 3)], dequantise: 1.0, \
                   standardise: Global, images: (width: 2, height: 2))";
    let folder = folder_with(targets, 12);
    succeed(folder.path(), &["run", "study.ron", "--out", "out", "-q"]);
    let figures = files(&folder.path().join("out/figures"));
    assert!(figures.contains(&"images.png".to_owned()), "{figures:?}");
    let page = fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(page.contains("figures/images.svg"));
}

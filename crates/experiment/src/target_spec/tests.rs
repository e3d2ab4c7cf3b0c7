//! Targets as they are read and written.

use std::path::Path;

use super::*;
use crate::Experiment;
use crate::config::EXAMPLE;

/// Targets of every kind in the form that files have.
const ALL: &str = r#"mixture, StudentT(dim: 1, degrees: 3.0, scale: 1.0), SwissRoll(noise: 0.2),
    Moons(noise: 0.2), Spirals(arms: 2, turns: 1.0, noise: 0.1, name: "arms"),
    Pinwheel(blades: 3, radial_std: 0.3, tangential_std: 0.1, rate: 0.25),
    Mixture(name: "mixed", components: [
        (weight: 1.0, mean: [0.0, 1.0], variance: 0.5),
        (weight: 2.0, mean: [0.0, 1.0], covariance: [[1.0, 0.5], [0.5, 1.0]]),
    ]),
    Polygons([[(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]]),
    Polygons([[(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]], "coast"), Points(path: "some/towns.csv.gz"),
    Points(path: "towns.csv", columns: ["x", 1, (first: 2, last: 3)], standardise: Global,
        dequantise: 1.0, held_out: 0.2, images: (width: 2, height: 2), name: "all")"#;

fn read(targets: &str) -> Experiment {
    let text = EXAMPLE.replace("[checkerboard]", &format!("[{targets}]"));
    Experiment::parse(Path::new("study.ron"), text).unwrap()
}

#[test]
fn targets_are_read_as_they_are_written() {
    let experiment = read(ALL);
    let labels: Vec<&str> = experiment.targets.iter().map(TargetSpec::label).collect();
    assert_eq!(
        labels,
        [
            "mixture",
            "student_t",
            "swiss_roll",
            "moons",
            "arms",
            "pinwheel",
            "mixed",
            "polygons",
            "coast",
            "towns",
            "all"
        ]
    );
    let text = experiment.to_ron().unwrap();
    assert!(!text.contains("Some"), "{text}");
    assert_eq!(Experiment::parse(Path::new("again.ron"), text).unwrap(), experiment);
}

#[test]
fn every_name_of_a_law_is_known() {
    let names = TargetName::ALL.map(TargetName::as_str);
    assert_eq!(VARIANTS[..names.len()], names);
    let specs: Vec<TargetSpec> = TargetName::ALL.map(TargetSpec::from).into();
    assert_eq!(read(&names.join(", ")).targets, specs);
}

#[test]
fn parameters_mean_what_the_laws_say() {
    let law = |text: &str| read(text).targets[0].law().unwrap().unwrap();
    // The defaults, spelled out, are the laws known by name.
    for (text, name) in [
        ("StudentT(dim: 2, degrees: 3.0, scale: 0.8)", TargetName::StudentT),
        ("SwissRoll(noise: 0.12)", TargetName::SwissRoll),
        ("Moons(noise: 0.2)", TargetName::Moons),
        ("Spirals(arms: 2, turns: 1.5, noise: 0.12)", TargetName::Spirals),
        (
            "Pinwheel(blades: 5, radial_std: 0.3, tangential_std: 0.1, rate: 0.25)",
            TargetName::Pinwheel,
        ),
    ] {
        let point = [0.3, -0.7];
        assert_eq!(law(text).density(&point), name.target().density(&point), "{text}");
    }
}

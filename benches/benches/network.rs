//! Networks: training steps, scores and jets, as the number of points, the width and the dimension grow,
//! fused on each instruction set and by the reference.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use fokker_fp_residual::{Conditions, Denoising, Objective, Residual};
use fokker_score_net::{Adam, Architecture, Backend, InstructionSet, ScoreNetwork};
use fokker_sde_core::{
    GaussianMixture, Jet, OrnsteinUhlenbeck, Potential, Score, Streams, Target, TargetName,
};
use ndarray::{Array1, Array2};
use std::sync::Arc;

/// A way to evaluate a network.
type Evaluation = fn(ScoreNetwork<f32>) -> ScoreNetwork<f32>;

/// One benchmark: the network's shape and how many points it gets.
struct Case {
    group: &'static str,
    name: String,
    shape: Architecture,
    points: usize,
    evaluation: Evaluation,
}

impl Case {
    fn network(&self) -> ScoreNetwork<f32> {
        (self.evaluation)(
            ScoreNetwork::new(&self.shape, Arc::new(OrnsteinUhlenbeck::PAPER), Streams::new(0))
                .unwrap(),
        )
    }

    /// Times and places in reach of the network.
    fn points(&self) -> (Array1<f32>, Array2<f32>) {
        let place = |(i, k): (usize, usize)| ((i * 31 + k * 17) % 100) as f32 * 0.06 - 3.0;
        let t = Array1::from_shape_fn(self.points, |i| (i % 50) as f32 * 0.1 + 0.01);
        (t, Array2::from_shape_fn((self.points, self.shape.dim), place))
    }
}

/// The paper's network at 10² to `most` points, other widths and dimensions at 4096 points, and other
/// evaluations of the paper's network.
fn cases(most: usize) -> Vec<Case> {
    let paper = Architecture::paper;
    let case = |group, name: String, shape, points, evaluation: Evaluation| Case {
        group,
        name,
        shape,
        points,
        evaluation,
    };
    let fused: Evaluation = |network| network;
    let mut cases = Vec::new();
    let mut points = 100;
    while points <= most {
        cases.push(case("points", points.to_string(), paper(), points, fused));
        points *= 10;
    }
    for width in [32, 64, 128, 256, 512] {
        let shape = Architecture { hidden: vec![width; 3], ..paper() };
        cases.push(case("width", width.to_string(), shape, 4096, fused));
    }
    for dim in [2, 8, 64] {
        let shape = Architecture { dim, ..paper() };
        cases.push(case("dimension", dim.to_string(), shape, 4096, fused));
    }
    for set in InstructionSet::available() {
        let evaluation: Evaluation = match set.name() {
            "avx512" => |network| network.with_instruction_set("avx512".parse().unwrap()),
            "avx2" => |network| network.with_instruction_set("avx2".parse().unwrap()),
            "neon" => |network| network.with_instruction_set("neon".parse().unwrap()),
            _ => |network| network.with_instruction_set("plain".parse().unwrap()),
        };
        cases.push(case("evaluation", set.to_string(), paper(), 4096, evaluation));
    }
    let reference: Evaluation = |network| network.with_backend(Backend::Reference);
    cases.push(case("evaluation", "reference".to_owned(), paper(), 4096, reference));
    cases
}

fn run_all(
    c: &mut Criterion,
    group: &str,
    most: usize,
    mut run: impl FnMut(&mut BenchmarkGroup<'_, criterion::measurement::WallTime>, BenchmarkId, Case),
) {
    let mut group = c.benchmark_group(group);
    group.sample_size(10);
    for case in cases(most) {
        group.throughput(Throughput::Elements(case.points as u64));
        let id = BenchmarkId::new(case.group, &case.name);
        run(&mut group, id, case);
    }
}

/// Data of any dimension: the checkerboard, or a Gaussian where it is not defined.
fn target(dim: usize) -> Box<dyn Target> {
    if dim == 2 {
        TargetName::Checkerboard.target()
    } else {
        Box::new(GaussianMixture::new(vec![(1.0, vec![0.5; dim], 0.5)]).unwrap())
    }
}

fn train_step(c: &mut Criterion) {
    for weight in [0.0, 1.0] {
        run_all(c, &format!("train_step/w_R={weight}"), 100_000, |group, id, case| {
            let target = target(case.shape.dim);
            let objective = Objective {
                target: target.as_ref(),
                sde: &OrnsteinUhlenbeck::PAPER,
                denoising: Denoising { points: case.points, ..Denoising::default() },
                residual: Residual { points: case.points / 4, ..Residual::default() },
                residual_weight: weight,
                conditions: Conditions::default(),
                importance: None,
            };
            let (mut network, mut adam, mut step) = (case.network(), Adam::default(), 0);
            group.bench_function(id, |b| {
                b.iter(|| {
                    let (_, gradient) =
                        objective.gradient(&network, Streams::new(0), step).unwrap();
                    adam.update(&mut network, &gradient, 1e-6).unwrap();
                    step += 1;
                });
            });
        });
    }
}

fn score(c: &mut Criterion) {
    run_all(c, "score", 1_000_000, |group, id, case| {
        let ((_, x), network) = (case.points(), case.network());
        let mut out = Array2::zeros(x.raw_dim());
        group.bench_function(id, |b| {
            b.iter(|| network.score(0.5, x.view(), out.view_mut()).unwrap());
        });
    });
}

fn jet(c: &mut Criterion) {
    run_all(c, "jet", 1_000_000, |group, id, case| {
        let ((t, x), network) = (case.points(), case.network());
        let mut jet = Jet::zeros(case.points, case.shape.dim);
        group.bench_function(id, |b| {
            b.iter(|| network.jet(t.view(), x.view(), &mut jet).unwrap());
        });
    });
}

criterion_group!(benches, train_step, score, jet);
criterion_main!(benches);

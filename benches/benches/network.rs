//! One training step, jets and scores of the paper's network.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fokker_fp_residual::{CollocationBox, Objective, TimeLaw};
use fokker_score_net::{Adam, Mlp, MlpShape};
use fokker_sde_core::{
    Jet, OrnsteinUhlenbeck, Potential, Purpose, Score, Streams, TargetName, sample_target,
};
use ndarray::{Array1, Array2};

fn train_step(c: &mut Criterion) {
    let target = TargetName::Checkerboard.target();
    let mut group = c.benchmark_group("train_step");
    group.sample_size(10);
    for points in [1024, 20_000] {
        for weight in [0.0, 1.0] {
            let objective = Objective {
                target: target.as_ref(),
                sde: &OrnsteinUhlenbeck::PAPER,
                denoising_points: points,
                residual_points: points / 4,
                residual_weight: weight,
                times: TimeLaw::default(),
                collocation: CollocationBox::default(),
            };
            let mut network = Mlp::<f32>::new(&MlpShape::paper(), Streams::new(0)).unwrap();
            let mut adam = Adam::default();
            let mut step = 0;
            group.throughput(Throughput::Elements(points as u64));
            group.bench_function(BenchmarkId::new(format!("w_R={weight}"), points), |b| {
                b.iter(|| {
                    let (_, gradient) =
                        objective.gradient(&network, Streams::new(0), step).unwrap();
                    adam.update(&mut network, &gradient, 1e-4).unwrap();
                    step += 1;
                });
            });
        }
    }
}

fn evaluate(c: &mut Criterion) {
    let target = TargetName::Checkerboard.target();
    let network = Mlp::<f32>::new(&MlpShape::paper(), Streams::new(0)).unwrap();
    let mut group = c.benchmark_group("score");
    for points in [256, 4096] {
        let x = sample_target::<f32>(target.as_ref(), points, Streams::new(0), Purpose::Truth, 0);
        let mut out = Array2::zeros(x.raw_dim());
        group.throughput(Throughput::Elements(points as u64));
        group.bench_function(BenchmarkId::from_parameter(points), |b| {
            b.iter(|| network.score(0.5, x.view(), out.view_mut()).unwrap());
        });
    }
    group.finish();
    let mut group = c.benchmark_group("jet");
    for points in [256, 4096] {
        let x = sample_target::<f32>(target.as_ref(), points, Streams::new(0), Purpose::Truth, 0);
        let t = Array1::from_elem(points, 0.5);
        let mut jet = Jet::zeros(points, 2);
        group.throughput(Throughput::Elements(points as u64));
        group.bench_function(BenchmarkId::from_parameter(points), |b| {
            b.iter(|| network.jet(t.view(), x.view(), &mut jet).unwrap());
        });
    }
}

criterion_group!(benches, train_step, evaluate);
criterion_main!(benches);

//! Sampling the paper's network both ways, and random points: targets, times and noise.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fokker_fp_residual::{Collocation, DenoisingBatch, TimeLaw};
use fokker_samplers::{ReverseProcess, Sampler, Unobserved};
use fokker_score_net::ScoreNetwork;
use fokker_sde_core::{GridRule, OrnsteinUhlenbeck, Purpose, Streams, TargetName, sample_target};

fn sampler_step(c: &mut Criterion) {
    let network = ScoreNetwork::<f32>::paper(Streams::new(0)).unwrap();
    let steps = 10;
    let grid = GridRule::Uniform { steps }.grid(&OrnsteinUhlenbeck::PAPER).unwrap();
    let mut group = c.benchmark_group("sampler_step");
    group.sample_size(10);
    for particles in [100, 1000, 10_000, 100_000] {
        group.throughput(Throughput::Elements((steps * particles) as u64));
        for (name, process) in [("ode", ReverseProcess::ODE), ("sde", ReverseProcess::SDE)] {
            let sampler = Sampler { process: process.clone(), ..Sampler::default() };
            let (sde, streams) = (OrnsteinUhlenbeck::PAPER, Streams::new(0));
            group.bench_function(BenchmarkId::new(name, particles), |b| {
                b.iter(|| {
                    let samples = sampler.sample::<f32>(
                        &network,
                        &sde,
                        &grid,
                        particles,
                        streams,
                        &Unobserved,
                    );
                    samples.unwrap()
                });
            });
        }
    }
}

fn rng(c: &mut Criterion) {
    let mut group = c.benchmark_group("rng");
    let (points, streams) = (100_000, Streams::new(0));
    group.throughput(Throughput::Elements(points as u64));
    for name in TargetName::ALL {
        let target = name.target();
        group.bench_function(BenchmarkId::new("target", name), |b| {
            b.iter(|| sample_target::<f32>(target.as_ref(), points, streams, Purpose::Truth, 0));
        });
    }
    let target = TargetName::Checkerboard.target();
    let (sde, times) = (OrnsteinUhlenbeck::PAPER, TimeLaw::default());
    group.bench_function("denoising", |b| {
        let mut rng = streams.rng(Purpose::Denoising, 0, 0);
        b.iter(|| DenoisingBatch::<f32>::draw(points, target.as_ref(), &sde, times, &mut rng));
    });
    group.bench_function("collocation", |b| {
        let mut rng = streams.rng(Purpose::Collocation, 0, 0);
        b.iter(|| Collocation::default().draw_inside::<f32>(points, 2, [1e-5, 10.0], &mut rng));
    });
}

criterion_group!(benches, sampler_step, rng);
criterion_main!(benches);

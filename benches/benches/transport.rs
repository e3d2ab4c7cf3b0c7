//! Histograms and exact transport between them.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fokker_metrics::{Grid, Histogram, squared_w2};
use fokker_sde_core::{Purpose, Streams, TargetName, sample_target};

fn points(n: usize, index: u64) -> ndarray::Array2<f32> {
    let target = TargetName::Checkerboard.target();
    sample_target(target.as_ref(), n, Streams::new(0), Purpose::Truth, index)
}

fn histogram(c: &mut Criterion) {
    let mut group = c.benchmark_group("histogram");
    let grid = Grid::square(64, 3.5).unwrap();
    for n in [100, 1000, 10_000, 100_000, 1_000_000] {
        let points = points(n, 0);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::from_parameter(n), |b| {
            b.iter(|| Histogram::from_points(grid, points.view()).unwrap());
        });
    }
}

fn transport(c: &mut Criterion) {
    let mut group = c.benchmark_group("transport");
    group.sample_size(10);
    for nodes in [16, 32, 64] {
        let grid = Grid::square(nodes, 3.5).unwrap();
        let [a, b] =
            [0, 1].map(|i| Histogram::from_points(grid, points(100_000, i).view()).unwrap());
        group.bench_function(BenchmarkId::from_parameter(nodes), |bench| {
            bench.iter(|| squared_w2(&a, &b).unwrap());
        });
    }
}

criterion_group!(benches, histogram, transport);
criterion_main!(benches);

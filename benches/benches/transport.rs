//! Histograms, transport and other distances.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fokker_metrics::{
    Axis, Grid, GroundCost, Histogram, Sinkhorn, sliced_wasserstein, squared_energy_distance,
    squared_mmd, squared_w2, transport_grid, transport_points, wasserstein_line,
};
use fokker_sde_core::{Purpose, Streams, TargetName, sample_target};
use ndarray::Array2;

fn points(n: usize, index: u64) -> Array2<f32> {
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

/// Two independent samples of one law, counted on so many nodes a side.
fn histograms(nodes: usize, n: usize) -> [Histogram; 2] {
    let grid = Grid::square(nodes, 3.5).unwrap();
    [0, 1].map(|i| Histogram::from_points(grid, points(n, i).view()).unwrap())
}

fn grids(c: &mut Criterion) {
    let mut group = c.benchmark_group("transport on a grid");
    group.sample_size(10);
    for nodes in [16, 32, 64, 128] {
        let [a, b] = histograms(nodes, 100_000);
        for cost in [GroundCost::SquaredEuclidean, GroundCost::Manhattan] {
            group.bench_function(BenchmarkId::new(format!("{cost:?}"), nodes), |bench| {
                bench.iter(|| transport_grid(&a, &b, cost).unwrap());
            });
        }
    }
    let grid = Grid::new(&[Axis::nodes(-3.5, 3.5, 16).unwrap(); 3]).unwrap();
    let [a, b] = [0, 1].map(|i| {
        let points = points(150_000, i).into_shape_with_order((100_000, 3)).unwrap();
        Histogram::from_points(grid, points.view()).unwrap()
    });
    group.bench_function("SquaredEuclidean/16³", |bench| {
        bench.iter(|| squared_w2(&a, &b).unwrap());
    });
}

fn pairs(c: &mut Criterion) {
    let mut group = c.benchmark_group("transport between points");
    group.sample_size(10);
    for n in [250, 1000, 2000] {
        let [a, b] = [0, 1].map(|i| points(n, i).mapv(f64::from));
        for cost in [GroundCost::SquaredEuclidean, GroundCost::Euclidean] {
            group.bench_function(BenchmarkId::new(format!("{cost:?}"), n), |bench| {
                bench.iter(|| transport_points(a.view(), b.view(), None, cost).unwrap());
            });
        }
    }
}

fn many(c: &mut Criterion) {
    let mut group = c.benchmark_group("many points");
    group.sample_size(10);
    let [a, b] = [0, 1].map(|i| points(1_000_000, i));
    let line = |points: &Array2<f32>| points.column(0).mapv(f64::from).to_vec();
    let (x, y) = (line(&a), line(&b));
    group.bench_function("on a line/10⁶", |bench| {
        bench.iter(|| wasserstein_line(&x, &y, None, 2.0).unwrap());
    });
    let rng = |k| Streams::new(0).rng(Purpose::Projection, 0, k);
    group.bench_function("sliced, 10 directions/10⁶", |bench| {
        bench.iter(|| sliced_wasserstein(a.view(), b.view(), 2.0, 10, rng).unwrap());
    });
    let [a, b] = [0, 1].map(|i| points(10_000, i));
    group.bench_function("energy distance/10⁴", |bench| {
        bench.iter(|| squared_energy_distance(a.view(), b.view()).unwrap());
    });
    group.bench_function("maximum mean discrepancy/10⁴", |bench| {
        bench.iter(|| squared_mmd(a.view(), b.view(), &[1.0]).unwrap());
    });
}

fn sinkhorn(c: &mut Criterion) {
    let mut group = c.benchmark_group("sinkhorn on a grid");
    group.sample_size(10);
    for nodes in [64, 128, 256, 512] {
        let [a, b] = histograms(nodes, 1_000_000);
        group.bench_function(BenchmarkId::from_parameter(nodes), |bench| {
            let cost = GroundCost::SquaredEuclidean;
            bench.iter(|| Sinkhorn::default().histograms(&a, &b, cost).unwrap());
        });
    }
}

criterion_group!(benches, histogram, grids, pairs, many, sinkhorn);
criterion_main!(benches);

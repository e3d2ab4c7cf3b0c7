//! Densities at points — of the SDE's law by forward paths, of the ODE's along its flow — against the laws on a grid,
//! for the networks that the authors of the paper published; see `reference.rs` for where they are looked for. All of
//! them take some minutes:
//!
//! ```text
//! cargo test --release -p fokker-experiment --test reference_densities -- --ignored --nocapture
//! ```

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod published;

use std::time::Instant;

use fokker_fp_residual::SdeDensity;
use fokker_samplers::{
    CellGrid, Flow, LawSolver, ReverseProcess, SamplingError, Solver, Tolerance, Unobserved,
};
use fokker_score_net::{Checkpoint, ScoreNetwork};
use fokker_sde_core::{
    GridRule, OrnsteinUhlenbeck, Purpose, ScoreDivergence, Sde, Streams, TimeGrid,
};
use ndarray::{Array2, ArrayView2, ArrayViewD, Axis, Slice};
use published::{models, network, on_the_best_set, reference};
use rand::RngExt;

/// Half the side of the box of the laws on a grid.
const EXTENT: f64 = 4.5;

/// The times at which laws are compared, in the order of the reverse process.
const TIMES: [f64; 2] = [0.5, 0.01];

/// Steps from one time down to another, equal in the log-SNR.
fn times(sde: &dyn Sde, from: f64, to: f64, steps: usize) -> TimeGrid {
    let level = |t: f64| sde.marginal(t).log_snr();
    let time = |k: usize| {
        let share = k as f64 / steps as f64;
        match k {
            0 => from,
            k if k == steps => to,
            _ => sde.time_of_log_snr(level(from) + share * (level(to) - level(from))).unwrap(),
        }
    };
    TimeGrid::new((0..=steps).map(time).collect()).unwrap()
}

/// The density in the centres of cells, from its means over them: their difference is `h²/24 Δp`, up to `h⁴`. Walls
/// are where nothing is.
fn in_centres(means: ArrayViewD<'_, f64>) -> Array2<f64> {
    let means = means.into_dimensionality::<ndarray::Ix2>().unwrap();
    let last = means.nrows() - 1;
    Array2::from_shape_fn(means.raw_dim(), |(i, j)| {
        let around = [
            (i.saturating_sub(1), j),
            (last.min(i + 1), j),
            (i, j.saturating_sub(1)),
            (i, last.min(j + 1)),
        ];
        let sum: f64 = around.iter().map(|&at| means[at]).sum();
        means[[i, j]] - (sum - 4.0 * means[[i, j]]) / 24.0
    })
}

/// Densities of a process in the centres of `cells²` cells at [`TIMES`], with `steps` steps to each from the one
/// before.
fn densities(
    network: &ScoreNetwork<f32>,
    sde: &dyn Sde,
    process: &ReverseProcess,
    cells: usize,
    steps: usize,
) -> Vec<Array2<f64>> {
    let grid = CellGrid::square(cells, EXTENT).unwrap();
    let solver = LawSolver { grid, most_at_walls: 0.1 };
    let mut all = Vec::new();
    let first = times(sde, sde.horizon(), TIMES[0], steps);
    let mut law = solver.solve(network, sde, process.clone(), &first, &mut Unobserved).unwrap();
    all.push(in_centres(law.density().view()));
    let second = times(sde, TIMES[0], TIMES[1], steps);
    let masses = law.masses.view();
    law =
        solver.solve_from(masses, network, sde, process.clone(), &second, &mut Unobserved).unwrap();
    all.push(in_centres(law.density().view()));
    all
}

/// A density in the centres of coarse cells with three fine ones to the side, and how far it may be wrong.
struct Resolved {
    density: Array2<f64>,
    error: Array2<f64>,
}

/// Of two solutions of order 2, one with cells and steps a third of the other's (Richardson).
fn resolved(
    network: &ScoreNetwork<f32>,
    sde: &dyn Sde,
    process: &ReverseProcess,
    [cells, steps]: [usize; 2],
) -> Vec<Resolved> {
    let coarse = densities(network, sde, process, cells, steps);
    let fine = densities(network, sde, process, 3 * cells, 3 * steps);
    let join = |(coarse, fine): (Array2<f64>, Array2<f64>)| {
        let fine = Array2::from_shape_fn(coarse.raw_dim(), |(i, j)| fine[[3 * i + 1, 3 * j + 1]]);
        let change = (&fine - &coarse) / 8.0;
        Resolved { density: fine + &change, error: change.mapv(f64::abs) }
    };
    coarse.into_iter().zip(fine).map(join).collect()
}

/// What a quantile is of numbers, of which there is one at least.
fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(share * (values.len() - 1) as f64).round() as usize]
}

/// Cells drawn from a law, and their centres.
fn draw(law: &Resolved, n: usize) -> (Vec<[usize; 2]>, Array2<f32>) {
    let mut rng = Streams::new(3).rng(Purpose::Evaluation, 0, 0);
    let total = law.density.iter().map(|p| p.max(0.0)).sum::<f64>();
    let cell = |_| {
        let mut left = rng.random::<f64>() * total;
        let hit = law.density.indexed_iter().find(|(_, p)| {
            left -= p.max(0.0);
            left < 0.0
        });
        hit.map(|((i, j), _)| [i, j]).unwrap()
    };
    let cells: Vec<[usize; 2]> = (0..n).map(cell).collect();
    let axis = CellGrid::square(law.density.nrows(), EXTENT).unwrap().axes()[0];
    let places = cells.iter().map(|&[i, j]| [axis.centre(j) as f32, axis.centre(i) as f32]);
    let places: Vec<[f32; 2]> = places.collect();
    (cells, places.into())
}

/// Deviations in standard errors, and what to say of them.
fn describe(z: &[f64]) -> String {
    let squares = z.iter().map(|z| z * z).sum::<f64>() / z.len() as f64;
    let mean = z.iter().sum::<f64>() / z.len() as f64;
    let inside = z.iter().filter(|z| z.abs() < 2.0).count();
    let largest = z.iter().fold(0.0_f64, |largest, z| largest.max(z.abs()));
    format!(
        "z: mean {mean:+.2}, mean square {squares:.2}, {inside} of {} within 2, largest {largest:.1}",
        z.len()
    )
}

/// `log p^SDE` by paths against the grid at 100 points; returns the `z` at each time.
fn compare_sde(
    network: &ScoreNetwork<f32>,
    sde: &dyn Sde,
    laws: &[Resolved],
    density: &SdeDensity,
) -> Vec<Vec<f64>> {
    let compare = |(&t, law): (&f64, &Resolved)| {
        let clock = Instant::now();
        let (cells, x) = draw(law, 100);
        let found = density.log_density(network, sde, t, x.view(), Streams::new(4)).unwrap();
        let (mut z, mut errors, mut grid, mut effective) = (vec![], vec![], vec![], vec![]);
        let (mut quadrature, mut differences) = (vec![], vec![]);
        for (cell, found) in cells.iter().zip(&found) {
            effective
                .push(found.map_or_else(|withheld| withheld.effective, |found| found.effective));
            let Ok(found) = found else { continue };
            let exact = law.density[*cell].ln();
            let of_grid = law.error[*cell] / law.density[*cell];
            // What the quadrature may be off is no chance, and taken whole.
            let off = (found.value - exact).abs() - found.quadrature;
            let off = off.max(0.0).copysign(found.value - exact);
            z.push(off / found.standard_error.hypot(of_grid));
            errors.push(found.standard_error);
            quadrature.push(found.quadrature);
            differences.push(found.value - exact);
            grid.push(of_grid);
        }
        let [least, median] = [0.0, 0.5].map(|share| quantile(effective.clone(), share));
        eprintln!(
            "  SDE, t = {t}: {} withheld, effective paths {least:.0} (least) {median:.0} (median) of {}; {:.1} s",
            100 - z.len(),
            density.paths,
            clock.elapsed().as_secs_f64()
        );
        if !z.is_empty() {
            let [error, grid, quadrature, difference] =
                [errors, grid, quadrature, differences].map(|errors| quantile(errors, 0.5));
            eprintln!(
                "    {}; medians: difference {difference:+.4}, errors {error:.4}, of the grid {grid:.4}, of the \
                 quadrature {quadrature:.4}",
                describe(&z)
            );
        }
        z
    };
    TIMES.iter().zip(laws).map(compare).collect()
}

/// `log p^ODE` at points, a few thousand at a time: a flow remembers its way.
fn flow_density(
    score: &dyn ScoreDivergence<f32>,
    sde: &dyn Sde,
    x: ArrayView2<'_, f32>,
    t: f64,
) -> Result<Vec<f64>, SamplingError> {
    let tolerance = Some(Tolerance { absolute: 1e-5, relative: 1e-5 });
    let flow = Flow { solver: Solver::DormandPrince, tolerance };
    let mut all = Vec::with_capacity(x.nrows());
    for from in (0..x.nrows()).step_by(4096) {
        let part = x.slice_axis(Axis(0), Slice::from(from..x.nrows().min(from + 4096)));
        all.extend(flow.log_density(score, sde, part, &[t, 1.1 * t, sde.horizon()])?.0);
    }
    Ok(all)
}

/// `log p^ODE` along the flow against the grid at 100 points where that is known to 1 %; returns the median
/// difference less the grid's error.
fn compare_ode(network: &ScoreNetwork<f32>, sde: &dyn Sde, laws: &[Resolved]) -> Vec<f64> {
    let compare = |(&t, law): (&f64, &Resolved)| {
        let (cells, x) = draw(law, 100);
        let found = flow_density(network, sde, x.view(), t).unwrap();
        let differences = cells.iter().zip(found).filter_map(|(cell, found)| {
            let of_grid = law.error[*cell] / law.density[*cell];
            (of_grid < 0.01).then(|| ((found - law.density[*cell].ln()).abs(), of_grid))
        });
        let differences: Vec<(f64, f64)> = differences.collect();
        let beyond: Vec<f64> = differences.iter().map(|(error, grid)| error - grid).collect();
        let quantiles = [0.5, 0.95, 1.0]
            .map(|share| quantile(differences.iter().map(|(error, _)| *error).collect(), share));
        eprintln!(
            "  ODE, t = {t}: {} of 100 resolved, differences {quantiles:.4?} (50, 95, 100 %)",
            differences.len()
        );
        quantile(beyond, 0.5)
    };
    TIMES.iter().zip(laws).map(compare).collect()
}

/// The centres of `cells²` cells, and the area of one.
fn centres(extent: f64, cells: usize) -> (Array2<f32>, f64) {
    let grid = CellGrid::square(cells, extent).unwrap();
    let axis = grid.axes()[0];
    let centre = |i: usize| axis.centre(i) as f32;
    let places: Vec<[f32; 2]> =
        (0..cells * cells).map(|at| [centre(at % cells), centre(at / cells)]).collect();
    (places.into(), grid.cell_volume())
}

/// The integral of `p^ODE_t` over `cells²` centres of the box, and the prior's mass that the flow carries out of it. The
/// velocity backwards is `x + ½ s`, so that what starts where the network learned too weak a score leaves for good.
fn integral(network: &ScoreNetwork<f32>, sde: &dyn Sde, t: f64, cells: usize) -> f64 {
    let (x, area) = centres(EXTENT, cells);
    let log_p = flow_density(network, sde, x.view(), t).unwrap();
    let inside = log_p.iter().map(|p| p.exp()).sum::<f64>() * area;
    let (start, area) = centres(3.5, 96);
    let tolerance = Some(Tolerance { absolute: 1e-4, relative: 1e-4 });
    let flow = Flow { solver: Solver::DormandPrince, tolerance };
    let horizon = sde.horizon();
    let end = flow.carry(network, sde, start.view(), &[horizon, 0.99 * horizon, t]).unwrap().end();
    let outside: f64 = start
        .rows()
        .into_iter()
        .zip(end.rows())
        .filter(|(_, end)| end.iter().any(|x| f64::from(x.abs()) > EXTENT))
        .map(|(start, _)| sde.prior().log_density(&[start[0].into(), start[1].into()]).exp() * area)
        .sum();
    eprintln!("  the ODE's law at t = {t}: {inside:.5} inside, {outside:.5} outside");
    inside + outside
}

/// Normal `z` of 100 independent points have 95.4 % within 2; fewer than 86 once in 10⁴.
fn check(z: &[Vec<f64>], model: &str) {
    for z in z {
        let inside = z.iter().filter(|z| z.abs() < 2.0).count();
        assert!(z.len() > 90 && inside + 14 >= z.len(), "{model}: {}", describe(z));
    }
}

#[test]
fn densities_of_one_network_are_those_of_its_laws() {
    let Some(reference) = reference().filter(|_| on_the_best_set()) else { return };
    let model = "circles2_w1.0";
    let Checkpoint { network, diffusion, .. } = network::<f32>(&reference, model);
    let laws = resolved(&network, &diffusion, &ReverseProcess::SDE, [40, 40]);
    let density = SdeDensity { paths: 64, ..SdeDensity::default() };
    check(&compare_sde(&network, &diffusion, &laws, &density), model);
    let integral = integral(&network, &diffusion, TIMES[0], 44);
    assert!((integral - 1.0).abs() < 1e-3, "{integral}");
}

#[test]
#[ignore = "ten minutes; see the head of this file"]
fn densities_of_every_network_are_those_of_its_laws() {
    let reference = reference().expect("the reference");
    for model in models() {
        let Checkpoint { network, diffusion, .. } = network::<f32>(&reference, &model);
        eprintln!("{model}:");
        let regularised = !model.ends_with("w0.0");
        let [sde_laws, ode_laws] = [ReverseProcess::SDE, ReverseProcess::ODE]
            .map(|process| resolved(&network, &diffusion, &process, [64, 60]));
        let density = SdeDensity { paths: 512, ..SdeDensity::default() };
        let z = compare_sde(&network, &diffusion, &sde_laws, &density);
        let beyond = compare_ode(&network, &diffusion, &ode_laws);
        if regularised {
            check(&z, &model);
            assert!(beyond.iter().all(|beyond| *beyond < 0.01), "{model}: {beyond:?}");
        } else {
            for steps in [400, 1600] {
                eprintln!("  with {steps} steps:");
                let density = SdeDensity { paths: 128, steps, ..density };
                compare_sde(&network, &diffusion, &sde_laws, &density);
            }
        }
        let integral = integral(&network, &diffusion, TIMES[0], 128);
        assert!((integral - 1.0).abs() < 1e-3 || !regularised, "{model}: {integral}");
    }
}

#[test]
fn densities_along_the_flow_in_single_precision_are_those_in_double() {
    let sde = OrnsteinUhlenbeck::PAPER;
    let single = ScoreNetwork::<f32>::paper(Streams::new(2)).unwrap();
    let double = ScoreNetwork::<f64>::paper(Streams::new(2)).unwrap();
    let x = Array2::from_shape_fn((100, 2), |(i, k)| 2.0 * ((2 * i + k) as f32).sin());
    let times = GridRule::Uniform { steps: 40 }.grid(&sde).unwrap();
    let times: Vec<f64> = times.times().iter().rev().copied().collect();
    let flow = Flow { solver: Solver::RungeKutta4, tolerance: None };
    let (found, cost) = flow.log_density(&single, &sde, x.view(), &times).unwrap();
    let wide = x.mapv(f64::from);
    let (expected, _) = flow.log_density(&double, &sde, wide.view(), &times).unwrap();
    assert!(cost.evaluations > 0);
    for (a, b) in found.iter().zip(&expected) {
        assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{a} {b}");
    }
}

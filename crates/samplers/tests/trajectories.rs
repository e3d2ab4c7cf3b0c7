//! Particles at every time of the grid.

use fokker_samplers::{
    LastStep, Noise, ReverseProcess, Sampler, SamplingError, Solver, Tolerance, Unobserved,
};
use fokker_sde_core::{
    GaussianMixture, GridRule, MixtureMarginals, OrnsteinUhlenbeck, Streams, TimeGrid,
};
use ndarray::Axis;

const SDE: OrnsteinUhlenbeck = OrnsteinUhlenbeck::PAPER;

fn exact() -> MixtureMarginals<OrnsteinUhlenbeck> {
    MixtureMarginals::new(GaussianMixture::nine_components(), SDE)
}

#[test]
fn they_end_where_samples_arrive_and_pass_where_shorter_grids_end() {
    let (law, streams, n) = (exact(), Streams::new(3), 300);
    let grid = GridRule::LogSnr { steps: 12, t_min: Some(1e-3) }.grid(&SDE).unwrap();
    let multistep = Solver::DpmSolverPlusPlus2M;
    for (process, solver) in
        [(ReverseProcess::SDE, Solver::default()), (ReverseProcess::ODE, multistep)]
    {
        for last_step in [LastStep::Solver, LastStep::NoiseFree, LastStep::Denoise] {
            for noise in [Noise::Steps, Noise::Path] {
                let process = process.clone();
                let sampler = Sampler { process, solver, noise, last_step, tolerance: None };
                let run = |threads| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                    pool.unwrap().install(|| {
                        sampler.trajectories::<f64>(&law, &SDE, &grid, n, streams, &Unobserved)
                    })
                };
                if solver == multistep && last_step == LastStep::Solver {
                    continue; // It would ask for the log-SNR at 0, which is infinite.
                }
                let (places, cost) = run(1).unwrap();
                assert_eq!(places.dim(), (13, n, 2));
                assert_eq!(places, run(3).unwrap().0);
                let samples = sampler.sample(&law, &SDE, &grid, n, streams, &Unobserved).unwrap();
                assert_eq!(places.index_axis(Axis(0), 12), samples.particles);
                assert_eq!(cost.evaluations, samples.cost.evaluations);
                // The way to a time does not depend on what comes after it.
                let half = TimeGrid::new(grid.times()[..6].to_vec()).unwrap();
                let sampler = Sampler { last_step: LastStep::Solver, ..sampler.clone() };
                let samples = sampler.sample(&law, &SDE, &half, n, streams, &Unobserved).unwrap();
                assert_eq!(places.index_axis(Axis(0), 5), samples.particles);
            }
        }
    }
}

#[test]
fn steps_that_are_not_those_of_the_grid_are_refused() {
    let solver = Solver::DormandPrince;
    let tolerance = Some(Tolerance { absolute: 1e-3, relative: 1e-3 });
    let sampler = Sampler { process: ReverseProcess::ODE, solver, tolerance, ..Sampler::default() };
    let grid = GridRule::Uniform { steps: 4 }.grid(&SDE).unwrap();
    let refused =
        sampler.trajectories::<f64>(&exact(), &SDE, &grid, 3, Streams::new(0), &Unobserved);
    assert_eq!(refused.unwrap_err(), SamplingError::NotOnGrid { solver });
}

//! Every diffusion, reversed with the exact score, returns the law of the data.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod problems;

use fokker_samplers::{ReverseProcess, Sampler, Unobserved};
use fokker_sde_core::{Diffusion, GaussianMixture, MixtureMarginals, Sde, Streams, TimeGrid};
use problems::{distribution, kolmogorov_smirnov};

/// `(weight, mean, variance)` of the data on the line.
const DATA: [(f64, f64, f64); 2] = [(0.4, -1.0, 0.3 * 0.3), (0.6, 1.2, 0.5 * 0.5)];

#[test]
fn reversing_with_the_exact_score_returns_the_data() {
    // 400 steps, equal in the log-SNR up to 8 and one from there to 0. Kolmogorov–Smirnov with 2000 particles:
    // D < 2.7/√n has a false-alarm rate of 1e-6 for each of the 22 assertions; the scheme's own bias and that of the
    // prior stay below 0.01.
    let components = DATA.map(|(weight, mean, variance)| (weight, vec![mean], variance)).to_vec();
    let data = GaussianMixture::new(components).unwrap();
    let n = 2000;
    for sde in Diffusion::examples() {
        let score = MixtureMarginals::new(data.clone(), sde.clone());
        let lowest = sde.marginal(sde.horizon()).log_snr();
        let times = (1..=400).map(|k| {
            let log_snr = lowest + (8.0 - lowest) * f64::from(k) / 400.0;
            sde.time_of_log_snr(log_snr).unwrap()
        });
        let times = std::iter::once(sde.horizon()).chain(times).chain([0.0]).collect();
        let grid = TimeGrid::new(times).unwrap();
        for process in [ReverseProcess::ODE, ReverseProcess::SDE] {
            let sampler = Sampler { process: process.clone(), ..Sampler::default() };
            let sampled =
                sampler.sample::<f64>(&score, &sde, &grid, n, Streams::new(7), &Unobserved);
            let largest = kolmogorov_smirnov(sampled.unwrap(), |x| distribution(&DATA, x));
            let allowed = 0.01 + 2.7 / (n as f64).sqrt();
            assert!(largest < allowed, "{sde:?}, {process:?}: D = {largest}");
        }
    }
}

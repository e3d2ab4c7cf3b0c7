//! Every diffusion, reversed with the exact score, returns the law of the data.

use fokker_samplers::{ReverseProcess, Sampler, Unobserved};
use fokker_sde_core::{Diffusion, GaussianMixture, MixtureMarginals, Sde, Streams, TimeGrid};

/// `(weight, mean, standard deviation)` of the data on the line.
const DATA: [(f64, f64, f64); 2] = [(0.4, -1.0, 0.3), (0.6, 1.2, 0.5)];

/// The distribution function of the data, by the midpoint rule from far on the left.
fn distribution(x: f64) -> f64 {
    let n = 2000;
    let h = (x + 6.0) / f64::from(n);
    let density = |x: f64| {
        let term = |(weight, mean, std): (f64, f64, f64)| {
            weight * (-0.5 * ((x - mean) / std).powi(2)).exp()
                / (std * (2.0 * std::f64::consts::PI).sqrt())
        };
        DATA.into_iter().map(term).sum::<f64>()
    };
    (0..n).map(|k| density(-6.0 + h * (f64::from(k) + 0.5)) * h).sum()
}

#[test]
fn reversing_with_the_exact_score_returns_the_data() {
    // 400 steps, equal in the log-SNR up to 8 and one from there to 0. Kolmogorov–Smirnov with 2000 particles:
    // D < 2.7/√n has a false-alarm rate of 1e-6 for each of the 22 assertions; the scheme's own bias and that of the
    // prior stay below 0.01.
    let components = DATA.map(|(weight, mean, std)| (weight, vec![mean], std * std)).to_vec();
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
            let mut x = sampled.unwrap().particles.into_raw_vec_and_offset().0;
            x.sort_by(f64::total_cmp);
            let largest = x.iter().enumerate().fold(0.0_f64, |largest, (k, &x)| {
                let (below, exact) = (k as f64 / n as f64, distribution(x));
                largest.max((exact - below).abs()).max((exact - below - 1.0 / n as f64).abs())
            });
            let allowed = 0.01 + 2.7 / (n as f64).sqrt();
            assert!(largest < allowed, "{sde:?}, {process:?}: D = {largest}");
        }
    }
}

//! How far networks are from the exact score of the diffused checkerboard, by noise level.
//!
//!     cargo run --release -p fokker-benches --example score_errors -- CHECKPOINT…
//!
//! For each checkpoint a row: ½∫g² E|s − ∇log p|² dt in nats, from `T_MIN` to `T_MAX` or the horizon, and for each of eight bands of equal length
//! in log(σ/α) the mean over its noise levels of E|s − ∇log p|²/d, weighted as in EDM, by σ²(α²σ_d² + σ²)/(α²σ_d²) with σ_d = 1.7. All networks see the same
//! points, and nothing but these is random: differences between networks are known to a few percent.
//!
//! The diffused law is a mean over squares of products over the axes of `∫ N(x; αy, σ²) dy`, over `y` from `c` to `c + 1.5`: of `[Φ(b) − Φ(a)]/(1.5 α)`
//! with `a = (αc − x)/σ` and `b = (α(c + 1.5) − x)/σ`, whose derivative in `x` is that of `[N(a) − N(b)]/σ`.

use std::error::Error;
use std::f64::consts::{PI, SQRT_2};

use fokker_score_net::Checkpoint;
use fokker_sde_core::{Marginal, Purpose, Score, Sde, Streams, TargetName, sample_target};
use ndarray::{Array2, ArrayView1};
use rand_distr::{Distribution, StandardNormal};

const T_MIN: f64 = 3e-4;
const T_MAX: f64 = 4.0;
const DATA_STD: f64 = 1.7;
const LEVELS: usize = 64;
const BANDS: usize = 8;
const POINTS: usize = 8000;

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<_> = std::env::args_os().skip(1).collect();
    if paths.is_empty() {
        return Err("usage: score_errors CHECKPOINT…".into());
    }
    for path in paths {
        let checkpoint = Checkpoint::from_bytes(&std::fs::read(&path)?)?;
        let (nats, bands) = errors(&checkpoint.network, &checkpoint.diffusion)?;
        let bands: Vec<String> = bands.iter().map(|error| format!("{error:.1e}")).collect();
        println!("{}: {nats:.2e} nats; {}", path.display(), bands.join(" "));
    }
    Ok(())
}

/// The error in nats, and by bands from the least noise to the most.
fn errors(score: &impl Score<f32>, sde: &dyn Sde) -> Result<(f64, [f64; BANDS]), Box<dyn Error>> {
    let target = TargetName::Checkerboard.target();
    let [from, to] = [T_MIN, sde.horizon().min(T_MAX)].map(|t| sde.marginal(t).log_snr());
    let (mut nats, mut bands) = (0.0, [0.0; BANDS]);
    for level in 0..LEVELS {
        let at = |share: f64| sde.time_of_log_snr(from * (1.0 - share) + to * share);
        let [start, t, end] = [0.0, 0.5, 1.0].map(|part| at((level as f64 + part) / LEVELS as f64));
        let (t, length) = (t?, end? - start?);
        let law = sde.marginal(t);
        let data = sample_target::<f64>(
            target.as_ref(),
            POINTS,
            Streams::new(0),
            Purpose::Truth,
            level as u64,
        );
        let mut rng = Streams::new(1).rng(Purpose::Truth, level as u64, 0);
        let x = data.mapv(|x| {
            let z: f64 = StandardNormal.sample(&mut rng);
            (law.alpha * x + law.sigma * z) as f32
        });
        let mut found = Array2::zeros(x.raw_dim());
        score.score(t as f32, x.view(), found.view_mut())?;
        let squares = x.rows().into_iter().zip(found.rows()).map(|(x, found)| {
            let exact = exact(law, x);
            exact.iter().zip(found).map(|(e, &s)| (e - f64::from(s)).powi(2)).sum::<f64>()
        });
        let error = squares.sum::<f64>() / POINTS as f64;
        nats += 0.5 * sde.diffusion(t).powi(2) * error * length;
        let (noise, signal) = (law.sigma.powi(2), (law.alpha * DATA_STD).powi(2));
        let weighted = noise * (signal + noise) / signal * error / 2.0;
        bands[level * BANDS / LEVELS] += weighted * (BANDS as f64 / LEVELS as f64);
    }
    Ok((nats, bands))
}

/// `∇log p` of the diffused checkerboard.
fn exact(law: Marginal, x: ArrayView1<'_, f32>) -> [f64; 2] {
    let density = |u: f64| (-0.5 * u * u).exp() / (2.0 * PI).sqrt();
    // Of the two tails the smaller, so that nothing cancels.
    let below = |u: f64| 0.5 * libm::erfc(-u / SQRT_2);
    let between =
        |a: f64, b: f64| if a > 0.0 { below(-a) - below(-b) } else { below(b) - below(a) };
    // The four rows of squares along an axis, each with its derivative.
    let axis = |x: f64| {
        [-3.0, -1.5, 0.0, 1.5].map(|corner| {
            let [a, b] = [corner, corner + 1.5].map(|edge| (law.alpha * edge - x) / law.sigma);
            (between(a, b), (density(a) - density(b)) / law.sigma)
        })
    };
    let [columns, rows] = [0, 1].map(|k| axis(f64::from(x[k])));
    let (mut p, mut gradient) = (0.0, [0.0; 2]);
    for (i, column) in columns.iter().enumerate() {
        for row in rows.iter().skip(i % 2).step_by(2) {
            p += column.0 * row.0;
            gradient[0] += column.1 * row.0;
            gradient[1] += column.0 * row.1;
        }
    }
    gradient.map(|derivative| derivative / p)
}

use std::f64::consts::PI;
use std::ops::RangeInclusive;

use rand_distr::{Distribution, StandardNormal};

use crate::StreamRng;

/// The standard deviations that blurred curves may have: less would take millions of nodes.
pub(super) const NOISE: RangeInclusive<f64> = 0.01..=10.0;

/// Abscissae and weights of the 10-point Gauss–Legendre rule on `[−1, 1]`, those at positive abscissae;
/// Abramowitz & Stegun, Handbook of Mathematical Functions (1964), table 25.4.
const GAUSS_LEGENDRE: [[f64; 2]; 5] = [
    [0.148_874_338_981_631_2, 0.295_524_224_714_752_9],
    [0.433_395_394_129_247_2, 0.269_266_719_309_996_35],
    [0.679_409_568_299_024_4, 0.219_086_362_515_982_04],
    [0.865_063_366_688_984_5, 0.149_451_349_150_580_6],
    [0.973_906_528_517_171_7, 0.066_671_344_308_688_14],
];

/// Length of a panel in standard deviations of the noise. For a straight line the rule is then exact
/// to 1e-15 of the peak; what a curve adds stays below 1e-9.
const PANEL_LENGTH: f64 = 2.0;
/// Angle that a curve turns by within a panel at most, in radians.
const PANEL_TURN: f64 = 0.25;

/// The law of `γ_A(U) + s Z` in the plane: a point of one of several curves, each equally likely, and
/// Gaussian noise of standard deviation `s` in both coordinates.
///
/// Its density `p(x) = E N(x; γ_A(U), s² I)` is an integral over the curve parameter, taken by a
/// composite Gauss–Legendre rule with an error below 1e-9 of the largest density; the tests compare it
/// with a much finer rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BlurredCurves {
    noise: f64,
    nodes: Vec<Node>,
}

/// A place on a curve with the mass that stands for its neighbourhood.
#[derive(Debug, Clone, PartialEq)]
struct Node {
    at: [f64; 2],
    mass: f64,
}

/// How fast curves `γ(u)`, `u ∈ [0, 1]`, run and turn at most.
pub(super) struct Pace {
    /// A bound of `|γ'|`.
    pub(super) speed: f64,
    /// A bound of the angle by which `γ'` turns per unit of `u`, in radians.
    pub(super) turn: f64,
}

impl BlurredCurves {
    /// The curves `at(arm, u)` for `arm` below `arms`, `u` having the density `law` on `[0, 1]`.
    pub(super) fn new(
        noise: f64,
        arms: usize,
        pace: Pace,
        at: impl Fn(usize, f64) -> [f64; 2],
        law: impl Fn(f64) -> f64,
    ) -> Self {
        let panels = (pace.speed / (PANEL_LENGTH * noise)).max(pace.turn / PANEL_TURN).ceil();
        let half = 0.5 / panels;
        let mut nodes = Vec::with_capacity(arms * panels as usize * 2 * GAUSS_LEGENDRE.len());
        for arm in 0..arms {
            for panel in 0..panels as usize {
                let middle = (2 * panel + 1) as f64 * half;
                for [place, weight] in GAUSS_LEGENDRE {
                    for u in [middle - half * place, middle + half * place] {
                        let mass = weight * half * law(u) / arms as f64;
                        nodes.push(Node { at: at(arm, u), mass });
                    }
                }
            }
        }
        Self { noise, nodes }
    }

    /// Draws a point around the place `at` on a curve.
    pub(super) fn draw(&self, at: [f64; 2], rng: &mut StreamRng, point: &mut [f64]) {
        for (x, at) in point.iter_mut().zip(at) {
            let normal: f64 = StandardNormal.sample(rng);
            *x = at + self.noise * normal;
        }
    }

    /// The density at `x`, of 2 entries.
    pub(super) fn density(&self, x: &[f64]) -> f64 {
        let precision = 1.0 / (self.noise * self.noise);
        let term = |Node { at, mass }: &Node| {
            let (u, v) = (x[0] - at[0], x[1] - at[1]);
            mass * (-0.5 * precision * (u * u + v * v)).exp()
        };
        self.nodes.iter().map(term).sum::<f64>() * precision / (2.0 * PI)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error of the density, relative to the largest density, at points on and beside a
    /// curve and within it, against Simpson's rule with 40 000 intervals: for the curves below its own
    /// error is under 1e-12.
    fn error(
        noise: f64,
        pace: Pace,
        at: impl Fn(f64) -> [f64; 2],
        law: impl Fn(f64) -> f64,
    ) -> f64 {
        const INTERVALS: usize = 40_000;
        let curves = BlurredCurves::new(noise, 1, pace, |_, u| at(u), &law);
        let simpson = |x: [f64; 2]| {
            let sum: f64 = (0..=INTERVALS)
                .map(|i| {
                    let u = i as f64 / INTERVALS as f64;
                    let weight = match i {
                        0 | INTERVALS => 1.0,
                        _ if i % 2 == 1 => 4.0,
                        _ => 2.0,
                    };
                    let [p, q] = at(u);
                    let squares = (x[0] - p).powi(2) + (x[1] - q).powi(2);
                    weight * law(u) * (-0.5 * squares / (noise * noise)).exp()
                })
                .sum();
            sum / (3.0 * INTERVALS as f64) / (2.0 * PI * noise * noise)
        };
        let (mut worst, mut peak) = (0.0_f64, 0.0_f64);
        for i in 0..=20 {
            let [p, q] = at(f64::from(i) / 20.0);
            for away in [0.0, 1.0, -2.0, 4.0, -6.0] {
                let x = [p + 0.6 * away * noise, q + 0.8 * away * noise];
                let exact = simpson(x);
                worst = worst.max((curves.density(&x) - exact).abs());
                peak = peak.max(exact);
            }
        }
        worst / peak
    }

    #[test]
    fn the_rule_is_exact_for_polynomials_of_degree_19() {
        for degree in 0..20 {
            let sum: f64 =
                GAUSS_LEGENDRE.iter().map(|[x, w]| w * (x.powi(degree) + (-x).powi(degree))).sum();
            let exact = if degree % 2 == 0 { 2.0 / f64::from(degree + 1) } else { 0.0 };
            assert!((sum - exact).abs() < 1e-15, "degree {degree}: {sum}");
        }
    }

    #[test]
    fn densities_are_accurate_for_thin_and_thick_curves() {
        let circle = |u: f64| [2.0 * (PI * u).cos(), 2.0 * (PI * u).sin()];
        let spiral = |u: f64| [3.0 * u * (10.0 * u).cos(), 3.0 * u * (10.0 * u).sin()];
        for noise in [0.03, 0.1, 0.5, 3.0] {
            let pace = Pace { speed: 2.0 * PI, turn: PI };
            assert!(error(noise, pace, circle, |_| 1.0) < 1e-9);
            let pace = Pace { speed: 3.0 * 101.0_f64.sqrt(), turn: 20.0 };
            let found = error(noise, pace, spiral, |u| 2.0 * u);
            assert!(found < 1e-9, "{noise}: {found:e}");
        }
    }
}

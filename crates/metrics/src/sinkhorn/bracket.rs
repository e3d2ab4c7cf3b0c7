//! Bounds of the optimum without regularisation, from the potentials of that with it.

use super::Kernel;
use super::iterate::Law;
use crate::Side;

/// What rounding may change in a soft minimum, in parts of the largest cost.
const ROUNDING: f64 = 100.0 * f64::EPSILON;

/// A value between which bounds `min <c, π>` over the plans of `μ` and `ν` lies, whatever the potentials.
///
/// Below, it is the dual value of the second potential after the exact c-transforms
/// `f(x) = min_y c(x, y) - g(y)` and back, over the places with mass.
///
/// Above, it is at most the cost of a plan with the right marginals. That of the potentials, where the
/// second is the soft minimum of the first, has the second marginal, and the first to `r ≠ μ`. What
/// is too much of `r` can be taken away and spread elsewhere at the largest cost at most, so that
/// `<c, π> + ½ |r - μ|₁ max c` is a bound (Altschuler, Weed and Rigollet, *Near-linear time
/// approximation algorithms for optimal transport via Sinkhorn iteration*, NeurIPS 2017, lemma 7). And
/// as `F(t) = <exp(f ⊕ g - t c), μ⊗ν>` is convex, with `F'(1) = -<c, π>` (all in units of `ε`), the
/// difference quotient `(F(1 - s) - F(1)) / s` is no less than `<c, π>`: one more soft minimum. The step `s`
/// is where what it adds, `s max c / (2 ε)` of the cost at most, is as large as what rounding may take away,
/// which is added, too.
pub(super) fn bracket(
    kernel: &impl Kernel,
    [mu, nu]: [&Law; 2],
    [f, g]: [&[f64]; 2],
    epsilon: f64,
) -> [f64; 2] {
    let forth = transform(kernel, Side::First, nu, g, f.len());
    let back = transform(kernel, Side::Second, mu, &forth, g.len());
    let lower = mu.mean(&forth) + nu.mean(&back);

    let (rate, largest) = (1.0 / epsilon, kernel.largest_cost());
    let step = (ROUNDING / (largest * rate).max(1.0)).sqrt();
    let slack = ROUNDING / step;
    let exponents = nu.exponents(rate, g);
    let [at, before] = [rate, rate * (1.0 - step)].map(|rate| {
        let mut sums = vec![0.0; f.len()];
        kernel.log_sum_exp(Side::First, rate, &exponents, &mut sums);
        sums
    });
    let (mut cost, mut moved) = (0.0, 0.0);
    for (i, (at, before)) in at.iter().zip(before).enumerate() {
        let density = (f[i] * rate + at).exp();
        if mu.mass[i] > 0.0 {
            cost += mu.mass[i] * density * (before - at).exp_m1();
            moved += mu.mass[i] * (density - 1.0).abs();
        }
    }
    [lower, cost * epsilon / step + (0.5 * moved + slack) * largest]
}

/// The c-transform of a potential of the other side, over the places with mass.
fn transform(kernel: &impl Kernel, to: Side, law: &Law, potential: &[f64], len: usize) -> Vec<f64> {
    let massive = law.mass.iter().zip(potential);
    let h: Vec<f64> = massive.map(|(&m, &g)| if m > 0.0 { g } else { f64::NEG_INFINITY }).collect();
    let mut out = vec![0.0; len];
    kernel.largest(to, &h, &mut out);
    out.iter_mut().for_each(|value| *value = -*value);
    out
}

use fokker_score_net::{Element, VectorJet};
use ndarray::Axis;

use crate::form::Points;

/// The sum over the rows of a vector score's jet of `|R|²/d`, and that of its square, with the residual of the score,
///
/// `R = ∂_t s + a s + Jᵀ(a x − g² s) − ½ g² ∇(∇·s)`, `J = ∂s/∂x`,
///
/// which is `∂_t s − ∇[½g²(∇·s + |s|²) − f·s − ∇·f]` for `f = a x`. The jet becomes `factor` times the partial derivatives of the
/// sum: with `c = 2R/d`, `c` in `∂_t s`, `a c − g² J c` in `s`, `(a x − g² s) cᵀ` in `J` and `−½ g² c` in `∇(∇·s)`. Source: Lai et al.,
/// *FP-Diffusion: improving score-based diffusion models by enforcing the underlying score Fokker–Planck equation*, ICML 2023.
pub(crate) fn score_loss<E: Element>(
    points: &Points<'_, E>,
    factor: f64,
    jet: &mut VectorJet<E>,
) -> (f64, f64) {
    let (mut sum, mut squares) = (0.0, 0.0);
    for i in 0..points.t.len() {
        let t = points.t[i].wide();
        let (a, g) = (points.sde.drift_rate(t), points.sde.diffusion(t));
        let weight = points.weight.at(points.sde, t);
        let x: Vec<f64> = points.x.row(i).iter().map(|x| x.wide()).collect();
        let s: Vec<f64> = jet.score.row(i).iter().map(|s| s.wide()).collect();
        let along: Vec<f64> = x.iter().zip(&s).map(|(x, s)| a * x - g * g * s).collect();
        let jacobian = jet.jacobian.index_axis(Axis(0), i).mapv(|j| j.wide());
        let dim = x.len();
        let residual = |k: usize| {
            let turned: f64 = (0..dim).map(|j| jacobian[[j, k]] * along[j]).sum();
            let bend = jet.divergence_gradient[[i, k]].wide();
            jet.time_derivative[[i, k]].wide() + a * s[k] + turned - 0.5 * g * g * bend
        };
        let residual: Vec<f64> = (0..dim).map(residual).collect();
        let part = weight * residual.iter().map(|r| r * r).sum::<f64>() / dim as f64;
        sum += part;
        squares += part * part;
        let c: Vec<f64> = residual.iter().map(|r| 2.0 * factor * weight * r / dim as f64).collect();
        for k in 0..dim {
            let turned: f64 = (0..dim).map(|j| jacobian[[k, j]] * c[j]).sum();
            jet.score[[i, k]] = E::of(a * c[k] - g * g * turned);
            jet.time_derivative[[i, k]] = E::of(c[k]);
            jet.divergence_gradient[[i, k]] = E::of(-0.5 * g * g * c[k]);
            for (j, c) in c.iter().enumerate() {
                jet.jacobian[[i, k, j]] = E::of(along[k] * c);
            }
        }
    }
    (sum, squares)
}

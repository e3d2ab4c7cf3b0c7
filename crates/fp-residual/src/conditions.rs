use fokker_score_net::Element;
use fokker_sde_core::{Jet, Sde, StreamRng, Target};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// Terms that hold a network to what is known at the ends of time and at the edge of space. A weight of 0, the default,
/// leaves a term out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// The weight of the initial condition: the variance over the data of `φ(x, t_min) − log p_0(x)`, which does not see
    /// constants. Of a potential and a target whose density is known; in groups of eight points.
    #[serde(deserialize_with = "crate::checked::weight")]
    pub initial: f64,
    /// The weight of the boundary condition: no probability flows out of the box, the mean of `(n·[f − ½g² s] e^φ)²` over its
    /// faces with the normal `n`, at the times of the collocation. Of a potential.
    #[serde(deserialize_with = "crate::checked::weight")]
    pub boundary: f64,
    /// The weight of the terminal condition: the score at the horizon is that of the prior, the mean over `x ~ π` and over
    /// components of `π² (s(x, T) + x/π²)²`.
    #[serde(deserialize_with = "crate::checked::weight")]
    pub terminal: f64,
    /// Points of each in each step, a multiple of 8; 64 if not given.
    #[serde(deserialize_with = "eights")]
    pub points: Option<usize>,
}

fn eights<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    match Option::<usize>::deserialize(deserializer)? {
        Some(n) if n == 0 || n % 8 != 0 || n > 1_000_000 => {
            Err(serde::de::Error::custom("must be a multiple of 8 between 8 and 1000000"))
        }
        points => Ok(points),
    }
}

impl Conditions {
    /// The weight of a condition.
    pub(crate) fn weight(&self, condition: Condition) -> f64 {
        match condition {
            Condition::Initial => self.initial,
            Condition::Boundary => self.boundary,
            Condition::Terminal => self.terminal,
        }
    }

    /// Points of each term in each step.
    pub(crate) fn points(&self) -> usize {
        self.points.unwrap_or(64)
    }
}

/// Which of the [`Conditions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Initial,
    Boundary,
    Terminal,
}

impl Condition {
    pub(crate) const ALL: [Self; 3] = [Self::Initial, Self::Boundary, Self::Terminal];

    /// Its name in errors.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Initial => "initial condition",
            Self::Boundary => "boundary condition",
            Self::Terminal => "terminal condition",
        }
    }

    /// Points of the data at `t_min`, with the logarithms of the density there.
    pub(crate) fn data<E: Element>(
        n: usize,
        t_min: f64,
        target: &dyn Target,
        rng: &mut StreamRng,
    ) -> (Array1<E>, Array2<E>, Vec<f64>) {
        let mut x = Array2::zeros((n, target.dim()));
        let mut point = vec![0.0; target.dim()];
        let mut log_densities = Vec::with_capacity(n);
        for mut row in x.rows_mut() {
            target.draw(rng, &mut point);
            row.iter_mut().zip(&point).for_each(|(slot, &x)| *slot = E::of(x));
            log_densities.push(target.density(&point).unwrap_or(f64::NAN).ln());
        }
        (Array1::from_elem(n, E::of(t_min)), x, log_densities)
    }

    /// Points of the faces of the box `[−L, L]^d`, each equally likely; the axis and the sign of the normal.
    pub(crate) fn faces<E: Element>(
        n: usize,
        dim: usize,
        extent: f64,
        mut time: impl FnMut(&mut StreamRng) -> f64,
        rng: &mut StreamRng,
    ) -> (Array1<E>, Array2<E>, Vec<(usize, f64)>) {
        let (mut t, mut x) = (Array1::zeros(n), Array2::zeros((n, dim)));
        let mut normals = Vec::with_capacity(n);
        for i in 0..n {
            t[i] = E::of(time(rng));
            let (axis, sign) = (rng.random_range(0..dim), if rng.random() { 1.0 } else { -1.0 });
            for (k, slot) in x.row_mut(i).iter_mut().enumerate() {
                let place = rng.random_range(-extent..extent);
                *slot = E::of(if k == axis { sign * extent } else { place });
            }
            normals.push((axis, sign));
        }
        (t, x, normals)
    }

    /// Points of the prior at the horizon.
    pub(crate) fn prior<E: Element>(
        n: usize,
        dim: usize,
        sde: &dyn Sde,
        rng: &mut StreamRng,
    ) -> (Array1<E>, Array2<E>) {
        let std = sde.prior().std;
        let x = Array2::from_shape_simple_fn((n, dim), || {
            let z: f64 = StandardNormal.sample(rng);
            E::of(std * z)
        });
        (Array1::from_elem(n, E::of(sde.horizon())), x)
    }
}

/// The sum over rows of the initial condition's loss in groups of eight; the jet becomes `factor` times its derivatives.
pub(crate) fn initial_loss<E: Element>(
    log_densities: &[f64],
    factor: f64,
    jet: &mut Jet<E>,
) -> f64 {
    let n = jet.value.len();
    let mut sum = 0.0;
    let mut slopes = vec![E::zero(); n];
    for from in (0..n).step_by(8) {
        let group = from..(from + 8).min(n);
        let off: Vec<f64> = group.clone().map(|i| jet.value[i].wide() - log_densities[i]).collect();
        let count = off.len() as f64;
        let (mean, scale) = (off.iter().sum::<f64>() / count, count / (count - 1.0).max(1.0));
        sum += scale * off.iter().map(|e| (e - mean).powi(2)).sum::<f64>();
        for (i, e) in group.zip(off) {
            slopes[i] = E::of(2.0 * factor * scale * (e - mean));
        }
    }
    *jet = Jet { value: slopes.into(), ..Jet::zeros(n, jet.gradient.ncols()) };
    sum
}

/// The sum over rows of the boundary condition's loss; the jet becomes `factor` times its derivatives.
pub(crate) fn boundary_loss<E: Element>(
    sde: &dyn Sde,
    times: &[E],
    x: ArrayView2<'_, E>,
    normals: &[(usize, f64)],
    factor: f64,
    jet: &mut Jet<E>,
) -> f64 {
    let n = jet.value.len();
    let mut slopes = Jet::zeros(n, jet.gradient.ncols());
    let mut sum = 0.0;
    for (i, &(axis, sign)) in normals.iter().enumerate().take(n) {
        let t = times[i].wide();
        let (a, g) = (sde.drift_rate(t), sde.diffusion(t));
        let velocity = a * x[[i, axis]].wide() - 0.5 * g * g * jet.gradient[[i, axis]].wide();
        let p = jet.value[i].wide().exp();
        let flux = sign * velocity * p;
        sum += flux * flux;
        slopes.value[i] = E::of(2.0 * factor * flux * flux);
        slopes.gradient[[i, axis]] = E::of(-factor * flux * p * sign * g * g);
    }
    *jet = slopes;
    sum
}

/// The sum over rows and components of the terminal condition's loss, over the number of components; the jet's gradient
/// becomes `factor` times its derivatives.
pub(crate) fn terminal_loss<E: Element>(
    sde: &dyn Sde,
    x: ArrayView2<'_, E>,
    factor: f64,
    jet: &mut Jet<E>,
) -> f64 {
    let variance = sde.prior().std.powi(2);
    let mut sum = 0.0;
    for (x, mut s) in x.axis_iter(Axis(0)).zip(jet.gradient.rows_mut()) {
        let dim = x.len() as f64;
        for (x, s) in x.iter().zip(&mut s) {
            let error = s.wide() + x.wide() / variance;
            sum += variance * error * error / dim;
            *s = E::of(2.0 * factor * variance * error / dim);
        }
    }
    sum
}

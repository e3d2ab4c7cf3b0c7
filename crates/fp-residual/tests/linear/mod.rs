//! A quadratic potential under the Ornstein–Uhlenbeck process: the laws of its SDE and of its ODE are Gaussian, with
//! moments that solve linear equations.

#![allow(dead_code, reason = "each test takes what it needs")]

use fokker_sde_core::{
    BatchError, Jet, OrnsteinUhlenbeck, Potential, Purpose, Score, Sde, Streams,
};
use ndarray::{Array2, Array3, ArrayView1, ArrayView2, ArrayViewMut2};
use rand_distr::{Distribution, StandardNormal};

/// `φ = Σ_i (−½ b_i(t) x_i² + c_i(t) x_i) + e(t)` with `b_i = β_i + γ_i e^{−t}`, `c_i = κ_i e^{−t}`, `e = η sin 2t`, for
/// `dX = −X dt + dW`.
#[derive(Clone)]
pub(crate) struct Quadratic {
    /// `β_i`, `γ_i` and `κ_i` of each axis.
    pub(crate) axes: Vec<[f64; 3]>,
    /// `η`.
    pub(crate) eta: f64,
    pub(crate) sde: OrnsteinUhlenbeck,
}

/// Mean and variance.
pub(crate) type Moments = [f64; 2];

/// Classical Runge–Kutta.
fn rk4<const N: usize>(
    y: [f64; N],
    t: f64,
    h: f64,
    f: &impl Fn(f64, [f64; N]) -> [f64; N],
) -> [f64; N] {
    let add = |y: [f64; N], k: [f64; N], h: f64| std::array::from_fn(|i| y[i] + h * k[i]);
    let k1 = f(t, y);
    let k2 = f(t + 0.5 * h, add(y, k1, 0.5 * h));
    let k3 = f(t + 0.5 * h, add(y, k2, 0.5 * h));
    let k4 = f(t + h, add(y, k3, h));
    std::array::from_fn(|i| y[i] + h / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]))
}

impl Quadratic {
    pub(crate) fn b(&self, axis: usize, t: f64) -> f64 {
        self.axes[axis][0] + self.axes[axis][1] * (-t).exp()
    }

    pub(crate) fn c(&self, axis: usize, t: f64) -> f64 {
        self.axes[axis][2] * (-t).exp()
    }

    /// Moments at each of falling `times` of the law of `dX = [−X − push·(−b X + c)] dt + √noise dW̄` started from
    /// the prior: `push` and `noise` are 1 for the SDE, and ½ and 0 for the ODE.
    pub(crate) fn moments(
        &self,
        axis: usize,
        times: &[f64],
        push: f64,
        noise: f64,
    ) -> Vec<Moments> {
        let slope = |t: f64, [m, v]: Moments| {
            let rate = -1.0 + push * self.b(axis, t);
            [rate * m - push * self.c(axis, t), 2.0 * rate * v - noise]
        };
        let mut at = [0.0, self.sde.prior().std.powi(2)];
        let mut all = vec![at];
        for pair in times.windows(2) {
            let h = (pair[1] - pair[0]) / 20.0;
            for k in 0..20 {
                at = rk4(at, pair[0] + f64::from(k) * h, h, &slope);
            }
            all.push(at);
        }
        all
    }

    /// Trajectories of the reverse-time SDE, `[k, n, d]`, by its exact transitions `X' = A X + B + √S Z`.
    pub(crate) fn trajectories(&self, times: &[f64], n: usize, streams: Streams) -> Array3<f64> {
        let dim = self.axes.len();
        let mut rng = streams.rng(Purpose::Path, 0, 0);
        let mut normal = move || -> f64 { StandardNormal.sample(&mut rng) };
        let mut x = Array3::zeros((times.len(), n, dim));
        let std = self.sde.prior().std;
        x.index_axis_mut(ndarray::Axis(0), 0).mapv_inplace(|_: f64| std * normal());
        for (k, pair) in times.windows(2).enumerate() {
            for axis in 0..dim {
                let slope = |t: f64, [a, b, s]: [f64; 3]| {
                    let rate = -1.0 + self.b(axis, t);
                    [rate * a, rate * b - self.c(axis, t), 2.0 * rate * s - 1.0]
                };
                let h = (pair[1] - pair[0]) / 20.0;
                let [a, b, s] = (0..20)
                    .fold([1.0, 0.0, 0.0], |at, j| rk4(at, pair[0] + f64::from(j) * h, h, &slope));
                for i in 0..n {
                    x[[k + 1, i, axis]] = a * x[[k, i, axis]] + b + s.sqrt() * normal();
                }
            }
        }
        x
    }

    /// `∇w = ∇log N(m, v) − ∇φ` at a point.
    pub(crate) fn gap_gradient(&self, axis: usize, t: f64, [m, v]: Moments, x: f64) -> f64 {
        -(x - m) / v + self.b(axis, t) * x - self.c(axis, t)
    }

    /// `E|∇w|²` over the SDE's law, one axis: `w` is quadratic.
    pub(crate) fn squared_gap_gradient(&self, axis: usize, t: f64, [m, v]: Moments) -> f64 {
        let b = self.b(axis, t);
        (b - 1.0 / v).powi(2) * v + (b * m - self.c(axis, t)).powi(2)
    }

    /// `ε = k_2 x² + k_1 x + k_0` in one dimension: `[k_0, k_1, k_2]`.
    pub(crate) fn residual_coefficients(&self, t: f64) -> [f64; 3] {
        let (b, c) = (self.b(0, t), self.c(0, t));
        let [_, gamma, kappa] = self.axes[0];
        let (b_t, c_t) = (-gamma * (-t).exp(), -kappa * (-t).exp());
        let e_t = 2.0 * self.eta * (2.0 * t).cos();
        [e_t - 1.0 + 0.5 * (b - c * c), c_t - c + b * c, -0.5 * b_t + b - 0.5 * b * b]
    }
}

impl Score<f64> for Quadratic {
    fn dim(&self) -> usize {
        self.axes.len()
    }

    fn score(
        &self,
        t: f64,
        x: ArrayView2<'_, f64>,
        mut out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), BatchError> {
        for ((mut out, x), axis) in out.columns_mut().into_iter().zip(x.columns()).zip(0..) {
            let (b, c) = (self.b(axis, t), self.c(axis, t));
            out.zip_mut_with(&x, |out, x| *out = -b * x + c);
        }
        Ok(())
    }
}

impl Potential<f64> for Quadratic {
    fn jet(
        &self,
        t: ArrayView1<'_, f64>,
        x: ArrayView2<'_, f64>,
        jet: &mut Jet<f64>,
    ) -> Result<(), BatchError> {
        jet.check(self.axes.len(), &t, &x)?;
        for (i, &t) in t.iter().enumerate() {
            jet.value[i] = self.eta * (2.0 * t).sin();
            jet.time_derivative[i] = 2.0 * self.eta * (2.0 * t).cos();
            jet.laplacian[i] = 0.0;
            for (axis, [_, gamma, kappa]) in self.axes.iter().enumerate() {
                let (b, c, x) = (self.b(axis, t), self.c(axis, t), x[[i, axis]]);
                let (b_t, c_t) = (-gamma * (-t).exp(), -kappa * (-t).exp());
                jet.value[i] += -0.5 * b * x * x + c * x;
                jet.time_derivative[i] += -0.5 * b_t * x * x + c_t * x;
                jet.gradient[[i, axis]] = -b * x + c;
                jet.laplacian[i] -= b;
            }
        }
        Ok(())
    }
}

/// Times that fall evenly from `from` to 0.
pub(crate) fn times(from: f64, steps: usize) -> Vec<f64> {
    (0..=steps).map(|k| from * (steps - k) as f64 / steps as f64).collect()
}

/// The trapezoidal rule on falling times.
pub(crate) fn integral(times: &[f64], values: &[f64]) -> f64 {
    let pieces = times.windows(2).zip(values.windows(2));
    pieces.map(|(t, v)| 0.5 * (t[0] - t[1]) * (v[0] + v[1])).sum()
}

/// Points of this mean and variance in each axis, exactly: the corners `m_i ± √v_i`; `[2^d, d]`.
pub(crate) fn corners(moments: &[Moments]) -> Array2<f64> {
    Array2::from_shape_fn((1 << moments.len(), moments.len()), |(corner, axis)| {
        let [m, v] = moments[axis];
        m + if corner >> axis & 1 == 0 { v.sqrt() } else { -v.sqrt() }
    })
}

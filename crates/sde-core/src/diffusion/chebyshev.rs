//! Integrals of smooth functions by piecewise Chebyshev series.

use std::f64::consts::PI;

/// The degree of the series of a piece, plus one.
const TERMS: usize = 24;

/// The antiderivative, zero at the left end, of a function on one piece `[from, to]`.
///
/// The function is interpolated at the Chebyshev points `cos(π(k + ½)/n)`, `n = 24`, and the interpolant is
/// integrated exactly: `∫T_0 = T_1`, `∫T_1 = ¼T_2`, `∫T_k = ½[T_{k+1}/(k + 1) − T_{k−1}/(k − 1)]`. Source: Trefethen,
/// *Approximation theory and approximation practice* (2013), chapters 3 and 19.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Antiderivative {
    from: f64,
    to: f64,
    /// Of the mean value from the left end on, `∫_from^t/(t − from)`: so that the integral is exact to a few
    /// roundings of its own size however near `t` is to `from`.
    mean: [f64; TERMS],
}

impl Antiderivative {
    /// That of the function with these values at [`Antiderivative::points`], and how far the interpolant may be
    /// from the function: the largest of its last coefficients, absolute and relative to the largest of all.
    pub(super) fn new(from: f64, to: f64, values: &[f64; TERMS]) -> (Self, [f64; 2]) {
        let n = TERMS as f64;
        let coefficient = |order: usize| {
            let terms = values
                .iter()
                .enumerate()
                .map(|(k, value)| value * (PI * order as f64 * (k as f64 + 0.5) / n).cos());
            terms.sum::<f64>() * if order == 0 { 1.0 } else { 2.0 } / n
        };
        let function: [f64; TERMS] = std::array::from_fn(coefficient);
        let largest = |part: &[f64]| part.iter().fold(0.0_f64, |largest, c| largest.max(c.abs()));
        let tail = largest(&function[TERMS - 3..]);
        let size = largest(&function);
        let relative = if size > 0.0 { tail / size } else { 0.0 };
        // ∫_{−1}^x = p(x) = Σ p_k T_k, but for p_0.
        let mut p = [0.0; TERMS + 1];
        for (order, &c) in function.iter().enumerate() {
            match order {
                0 => p[1] += c,
                1 => p[2] += 0.25 * c,
                _ => {
                    p[order + 1] += 0.5 * c / (order + 1) as f64;
                    p[order - 1] -= 0.5 * c / (order - 1) as f64;
                }
            }
        }
        // p = (1 + x) q, and 2 x T_k = T_{k+1} + T_{|k−1|}.
        let mut q = [0.0; TERMS + 2];
        for k in (2..=TERMS).rev() {
            q[k - 1] = 2.0 * (p[k] - q[k]) - q[k + 1];
        }
        q[0] = p[1] - q[1] - 0.5 * q[2];
        // With t − from = ½ (to − from)(1 + x) and dt = ½ (to − from) dx, the mean value is q.
        (Self { from, to, mean: std::array::from_fn(|k| q[k]) }, [tail, relative])
    }

    /// Where the function is to be known.
    pub(super) fn points(from: f64, to: f64) -> [f64; TERMS] {
        std::array::from_fn(|k| {
            let node = (PI * (k as f64 + 0.5) / TERMS as f64).cos();
            0.5 * (from + to) + 0.5 * (to - from) * node
        })
    }

    /// `∫_from^t`, by Clenshaw's recurrence.
    pub(super) fn at(&self, t: f64) -> f64 {
        let x = (2.0 * t - self.from - self.to) / (self.to - self.from);
        let (mut last, mut before) = (0.0, 0.0);
        for c in self.mean[1..].iter().rev() {
            (last, before) = (c + 2.0 * x * last - before, last);
        }
        (t - self.from) * (self.mean[0] + x * last - before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrals_of_smooth_functions_are_exact_to_rounding() {
        let (from, to) = (0.3, 1.7);
        let values = Antiderivative::points(from, to).map(|t| (3.0 * t).cos() * t.exp());
        let (integral, [_, tail]) = Antiderivative::new(from, to, &values);
        assert!(tail < 1e-14);
        let exact = |t: f64| t.exp() * ((3.0 * t).cos() + 3.0 * (3.0 * t).sin()) / 10.0;
        for k in 0..=20 {
            let t = from + (to - from) * f64::from(k) / 20.0;
            assert!((integral.at(t) - (exact(t) - exact(from))).abs() < 1e-14);
        }
        // Near the left end the integral is h f(from) to its own rounding.
        let h = 1e-12;
        let expected = h * (3.0 * from).cos() * from.exp();
        assert!((integral.at(from + h) / ((from + h - from) / h) / expected - 1.0).abs() < 1e-11);
    }

    #[test]
    fn a_kink_is_seen() {
        let values = Antiderivative::points(0.0, 1.0).map(|t| (t - 0.4).abs());
        assert!(Antiderivative::new(0.0, 1.0, &values).1[1] > 1e-4);
    }
}

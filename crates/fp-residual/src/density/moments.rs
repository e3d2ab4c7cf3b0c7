/// Sums over independent units of their mean weight `U` and of the vector `D` that belongs to it, all of them times
/// `e^{−offset}` or its square.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moments {
    offset: f64,
    units: f64,
    /// `Σ U`.
    sum: f64,
    /// `Σ U²`.
    squares: f64,
    /// `Σ w²` over the paths, if `U` is the mean of as many weights `w` in each unit.
    paths: f64,
    /// `Σ U` by the quadrature of every other node.
    pub(super) coarser: f64,
    /// For each component `[Σ D, Σ D², Σ D U]`.
    vector: Vec<[f64; 3]>,
    /// For each component `Σ D` by the quadrature of every other node.
    pub(super) coarser_vector: Vec<f64>,
}

impl Moments {
    /// Of no units, for weights about `e^{offset}`, with vectors of length `dim`.
    pub(super) fn new(offset: f64, dim: usize) -> Self {
        let vector = vec![[0.0; 3]; dim];
        Self {
            offset,
            units: 0.0,
            sum: 0.0,
            squares: 0.0,
            paths: 0.0,
            coarser: 0.0,
            vector,
            coarser_vector: vec![0.0; dim],
        }
    }

    /// Adds a unit, of which `U`, `Σ w²` and `D` are given times `e^{−offset}` or its square.
    pub(super) fn add(&mut self, mean: f64, squares: f64, vector: impl Iterator<Item = f64>) {
        self.units += 1.0;
        self.sum += mean;
        self.squares += mean * mean;
        self.paths += squares;
        for (sums, d) in self.vector.iter_mut().zip(vector) {
            sums.iter_mut().zip([d, d * d, d * mean]).for_each(|(sum, term)| *sum += term);
        }
    }

    /// Adds the units of `other`.
    pub(super) fn merge(mut self, mut other: Self) -> Self {
        let offset = self.offset.max(other.offset);
        for part in [&mut self, &mut other] {
            let factor = (part.offset - offset).exp();
            part.offset = offset;
            part.sum *= factor;
            part.coarser *= factor;
            part.squares *= factor * factor;
            part.paths *= factor * factor;
            part.coarser_vector.iter_mut().for_each(|sum| *sum *= factor);
            for [d, dd, du] in &mut part.vector {
                *d *= factor;
                *dd *= factor * factor;
                *du *= factor * factor;
            }
        }
        self.units += other.units;
        self.sum += other.sum;
        self.coarser += other.coarser;
        self.squares += other.squares;
        self.paths += other.paths;
        for (sum, other) in self.coarser_vector.iter_mut().zip(other.coarser_vector) {
            *sum += other;
        }
        for (sums, others) in self.vector.iter_mut().zip(other.vector) {
            sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
        }
        self
    }

    /// `s_U²/(M Ū²)`, the relative variance of the mean.
    fn relative_variance(&self) -> f64 {
        // Rounding could make it negative where all units are alike.
        ((self.units * self.squares / (self.sum * self.sum) - 1.0) / (self.units - 1.0)).max(0.0)
    }

    /// The logarithm of the mean of `U` over its law, with the bias `−½ se²` of that of `Ū` taken off, and its
    /// standard error `se`.
    pub(super) fn log_mean(&self) -> (f64, f64) {
        let variance = self.relative_variance();
        ((self.sum / self.units).ln() + self.offset + 0.5 * variance, variance.sqrt())
    }

    /// What the quadrature by every other node adds to the logarithm of the mean.
    pub(super) fn log_coarser(&self) -> f64 {
        (self.coarser / self.sum).ln()
    }

    /// The quotients `c D̄/Ū` with their bias taken off, and their standard errors. With `e = D − R U` and `R = D̄/Ū`
    /// the variance is `Σ e²/(M (M − 1) Ū²)`, and the bias `−Σ e U/(M (M − 1) Ū²)`, by the expansion of the quotient
    /// about the means.
    pub(super) fn quotients(&self, scale: f64) -> (Vec<f64>, Vec<f64>) {
        let factor = self.units / ((self.units - 1.0) * self.sum * self.sum);
        let quotient = |&[d, dd, du]: &[f64; 3]| {
            let quotient = d / self.sum;
            let squares = dd - 2.0 * quotient * du + quotient * quotient * self.squares;
            let bias = -factor * (du - quotient * self.squares);
            (scale * (quotient - bias), scale * (factor * squares.max(0.0)).sqrt())
        };
        self.vector.iter().map(quotient).unzip()
    }

    /// The quotients `c D̄/Ū` by the quadrature of every other node.
    pub(super) fn coarser_quotients(&self, scale: f64) -> Vec<f64> {
        self.coarser_vector.iter().map(|sum| scale * sum / self.coarser).collect()
    }

    /// The smaller of `(Σ w)²/Σ w²` and `1/(1/N + se²)` for `N` paths.
    pub(super) fn effective(&self, paths: usize) -> f64 {
        let all = paths as f64;
        let sum = self.sum * all / self.units;
        (sum * sum / self.paths).min(1.0 / (1.0 / all + self.relative_variance()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_quotients_are_those_of_the_units() {
        // U and D of four units of two paths each, cut in two parts of different offsets.
        let units = [[1.0, 0.3], [2.5, -0.2], [0.7, 1.1], [1.8, 0.4]];
        let of = |offset: f64, units: &[[f64; 2]]| {
            let mut moments = Moments::new(offset, 1);
            let c = (-offset).exp();
            for [u, d] in units {
                moments.add(u * c, 2.0 * (u * c).powi(2), std::iter::once(d * c));
            }
            moments
        };
        let moments = of(3.0, &units[..1]).merge(of(-2.0, &units[1..]));
        let sum = |f: &dyn Fn(&[f64; 2]) -> f64| units.iter().map(f).sum::<f64>();
        let (u, d) = (sum(&|unit| unit[0]) / 4.0, sum(&|unit| unit[1]) / 4.0);
        let variance = sum(&|unit| (unit[0] - u).powi(2)) / 12.0 / (u * u);
        let (log_mean, error) = moments.log_mean();
        assert!((log_mean - (u.ln() + 0.5 * variance)).abs() < 1e-13);
        assert!((error - variance.sqrt()).abs() < 1e-13);
        let e = |unit: &[f64; 2]| unit[1] - d / u * unit[0];
        let (found, errors) = moments.quotients(3.0);
        let bias = -sum(&|unit| e(unit) * unit[0]) / 12.0 / (u * u);
        assert!((found[0] - 3.0 * (d / u - bias)).abs() < 1e-13);
        let error = 3.0 * (sum(&|unit| e(unit).powi(2)) / 12.0).sqrt() / u;
        assert!((errors[0] - error).abs() < 1e-13);
        // The two paths of each unit are alike, so that they count half.
        let spread = 1.0 / (1.0 / 8.0 + variance);
        let sizes = (8.0 * u).powi(2) / sum(&|unit| 2.0 * unit[0].powi(2));
        assert!((moments.effective(8) - sizes.min(spread)).abs() < 1e-12);
    }
}

use std::f64::consts::{PI, SQRT_2};

use ndarray::{Array1, Array2};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use crate::covariance::Covariance;
use crate::{Marginal, MixtureError, Mode, StreamRng, Target};

/// A mixture of `K` Gaussians, `p(x) = Σ_k w_k N(x; m_k, Σ_k)`, in any dimension.
///
/// Its law stays a mixture under every linear diffusion ([`GaussianMixture::diffused`]), so that its
/// density, score and potential are exact at every time: the closed form that solvers and residuals
/// are tested against.
///
/// A covariance is kept as `Σ = Q Λ Qᵀ`, so that evaluating a component takes `O(d²)` at every time, or
/// `O(d)` if it is isotropic.
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianMixture {
    components: Vec<Component>,
    dim: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Component {
    pub(crate) weight: f64,
    pub(crate) mean: Vec<f64>,
    /// `Qᵀ m`, the mean in the coordinates of the principal axes.
    pub(crate) mean_on_axes: Vec<f64>,
    pub(crate) covariance: Covariance,
    /// `log w − ½ log det(2π Σ)`.
    log_peak: f64,
}

impl GaussianMixture {
    /// A mixture of isotropic Gaussians from `(weight, mean, variance)` for each component, with
    /// `Σ_k = v_k I`; weights are normalised to 1.
    ///
    /// # Errors
    /// If there is no component, the means differ in dimension, or a number is out of its domain.
    pub fn new(components: Vec<(f64, Vec<f64>, f64)>) -> Result<Self, MixtureError> {
        Self::build(components, |&variance, dim, component| {
            if variance > 0.0 && variance.is_finite() {
                Ok(Covariance::isotropic(variance, dim))
            } else {
                Err(not_positive(component, "variance", variance))
            }
        })
    }

    /// A mixture from `(weight, mean, covariance)` for each component, the covariances `[d, d]`;
    /// weights are normalised to 1.
    ///
    /// A covariance may be asymmetric by rounding: by up to `1e-9 √(c_ii c_jj)` between entries
    /// `(i, j)` and `(j, i)`, whose mean is taken.
    ///
    /// # Errors
    /// If there is no component, the means differ in dimension, a number is out of its domain, or a
    /// covariance is not square, not symmetric or not positive definite; its smallest eigenvalue must
    /// exceed `d ε` times its largest, since a smaller one cannot be told from zero.
    pub fn with_covariances(
        components: Vec<(f64, Vec<f64>, Array2<f64>)>,
    ) -> Result<Self, MixtureError> {
        Self::build(components, Covariance::from_matrix)
    }

    /// The mixture whose covariances `covariance` makes of the third entry of each component, the
    /// dimension and the index of the component.
    fn build<C>(
        components: Vec<(f64, Vec<f64>, C)>,
        covariance: impl Fn(&C, usize, usize) -> Result<Covariance, MixtureError>,
    ) -> Result<Self, MixtureError> {
        let dim = components.first().map_or(0, |(_, mean, _)| mean.len());
        if dim == 0 {
            return Err(MixtureError::Empty);
        }
        let total: f64 = components.iter().map(|(weight, ..)| weight).sum();
        let mut built = Vec::with_capacity(components.len());
        for (component, (weight, mean, spread)) in components.into_iter().enumerate() {
            if mean.len() != dim {
                let found = mean.len();
                return Err(MixtureError::Dimension { component, expected: dim, found });
            }
            if !(weight > 0.0 && weight.is_finite()) {
                return Err(not_positive(component, "weight", weight));
            }
            let covariance = covariance(&spread, dim, component)?;
            if let Some(&value) = mean.iter().find(|x| !x.is_finite()) {
                return Err(MixtureError::Value { component, what: "mean", value, rule: "finite" });
            }
            built.push(Component::new(weight / total, mean, covariance));
        }
        if !total.is_finite() {
            return Err(MixtureError::TotalWeight(total));
        }
        Ok(Self { components: built, dim })
    }

    /// Nine Gaussians of equal weight in the plane, at `0.65·{(0,0), (±2,±2), (±4,0), (0,±4)}` with
    /// covariance `0.65²·0.2·I`; one of the three targets of Deveney et al. (2025).
    pub fn nine_components() -> Self {
        let centres = [
            [0.0, 0.0],
            [2.0, 2.0],
            [2.0, -2.0],
            [-2.0, 2.0],
            [-2.0, -2.0],
            [4.0, 0.0],
            [-4.0, 0.0],
            [0.0, 4.0],
            [0.0, -4.0],
        ];
        Self::of_equal_weights(centres.map(|centre| centre.map(|x| 0.65 * x)), 0.65 * 0.65 * 0.2)
    }

    /// Eight Gaussians of equal weight in the plane, evenly spaced on the circle of radius `2√2` from
    /// `(2√2, 0)` on, with covariance `⅛ I`: the "8 Gaussians" of Grathwohl et al. (2019, FFJORD,
    /// arXiv:1810.01367), there at radius 4 with standard deviation ½ and all divided by √2.
    pub fn eight_components() -> Self {
        let far = 2.0 * SQRT_2;
        let centres = [
            [far, 0.0],
            [2.0, 2.0],
            [0.0, far],
            [-2.0, 2.0],
            [-far, 0.0],
            [-2.0, -2.0],
            [0.0, -far],
            [2.0, -2.0],
        ];
        Self::of_equal_weights(centres, 0.125)
    }

    fn of_equal_weights<const K: usize>(centres: [[f64; 2]; K], variance: f64) -> Self {
        let component = |centre: [f64; 2]| {
            Component::new(1.0 / K as f64, centre.to_vec(), Covariance::isotropic(variance, 2))
        };
        Self { components: centres.map(component).to_vec(), dim: 2 }
    }

    /// The law of `α X + σ Z` for `X` from this mixture and `Z` standard normal: the components move
    /// to `α m_k` and get the covariance `α² Σ_k + σ² I`.
    pub fn diffused(&self, marginal: Marginal) -> Self {
        let mut law = self.clone();
        law.diffuse(self, marginal);
        law
    }

    /// Makes this the law that `data` becomes, as [`GaussianMixture::diffused`] but in place; the two
    /// differ in no more than the marginal that they were diffused by.
    pub(crate) fn diffuse(&mut self, data: &Self, marginal: Marginal) {
        for (own, data) in self.components.iter_mut().zip(&data.components) {
            own.covariance.diffuse(&data.covariance, marginal);
            let means = own.mean.iter_mut().zip(&data.mean);
            let on_axes = own.mean_on_axes.iter_mut().zip(&data.mean_on_axes);
            means.chain(on_axes).for_each(|(own, m)| *own = marginal.alpha * m);
            own.log_peak = log_peak(own.weight, &own.covariance);
        }
    }

    /// `log p(x)`, for `x` of `d` entries.
    pub fn log_density(&self, x: &[f64]) -> f64 {
        // Log-sum-exp: far from all components every term underflows on its own.
        let (mut largest, mut sum) = (f64::NEG_INFINITY, 0.0);
        for component in &self.components {
            let term = component.log_term(x, |_, _| ());
            if term > largest {
                sum = sum * (largest - term).exp() + 1.0;
                largest = term;
            } else if term != f64::NEG_INFINITY {
                sum += (term - largest).exp();
            }
        }
        largest + sum.ln()
    }

    /// The mean `Σ_k w_k m_k`, of `d` entries.
    pub fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.dim];
        for component in &self.components {
            mean.iter_mut().zip(&component.mean).for_each(|(sum, m)| *sum += component.weight * m);
        }
        mean
    }

    /// The covariance `Σ_k w_k (Σ_k + (m_k − m)(m_k − m)ᵀ)` about the mean `m`, `[d, d]`.
    pub fn covariance(&self) -> Array2<f64> {
        let mean = Array1::from_vec(self.mean());
        let mut covariance = Array2::zeros((self.dim, self.dim));
        for component in &self.components {
            let offset = Array1::from_iter(component.mean.iter().copied()) - &mean;
            covariance.scaled_add(component.weight, &component.covariance.matrix());
            for ((row, column), sum) in covariance.indexed_iter_mut() {
                *sum += component.weight * offset[row] * offset[column];
            }
        }
        covariance
    }

    pub(crate) fn components(&self) -> &[Component] {
        &self.components
    }
}

impl Component {
    fn new(weight: f64, mean: Vec<f64>, covariance: Covariance) -> Self {
        let dim = mean.len();
        let mean_on_axes = (0..dim).map(|axis| covariance.coordinate(axis, |j| mean[j])).collect();
        let log_peak = log_peak(weight, &covariance);
        Self { weight, mean, mean_on_axes, covariance, log_peak }
    }

    /// `log (w N(x; m, Σ))`; calls `visit(i, h_i)` for each coordinate of `h = Qᵀ ∇ log N(x; m, Σ)`.
    pub(crate) fn log_term(&self, x: &[f64], mut visit: impl FnMut(usize, f64)) -> f64 {
        let mut squares = 0.0;
        for (axis, variance) in self.covariance.variances().iter().enumerate() {
            let away = self.covariance.coordinate(axis, |j| self.mean[j] - x[j]);
            let h = away / variance;
            squares += away * h;
            visit(axis, h);
        }
        self.log_peak - 0.5 * squares
    }
}

/// `log w − ½ log det(2π Σ)`.
fn log_peak(weight: f64, covariance: &Covariance) -> f64 {
    let log_determinant: f64 = covariance.variances().iter().map(|v| (2.0 * PI * v).ln()).sum();
    weight.ln() - 0.5 * log_determinant
}

fn not_positive(component: usize, what: &'static str, value: f64) -> MixtureError {
    MixtureError::Value { component, what, value, rule: "positive and finite" }
}

impl Target for GaussianMixture {
    fn dim(&self) -> usize {
        self.dim
    }

    fn draw(&self, rng: &mut StreamRng, point: &mut [f64]) {
        let mut u: f64 = rng.random();
        let chosen = self.components.iter().find(|component| {
            u -= component.weight;
            u < 0.0
        });
        // Rounding can leave u at 0 past the last component.
        let component = chosen.unwrap_or(&self.components[self.components.len() - 1]);
        point.copy_from_slice(&component.mean);
        for (axis, variance) in component.covariance.variances().iter().enumerate() {
            let normal: f64 = StandardNormal.sample(rng);
            component.covariance.add_along(axis, variance.sqrt() * normal, point);
        }
    }

    fn density(&self, x: &[f64]) -> Option<f64> {
        Some(self.log_density(x).exp())
    }

    /// The component that the point most likely comes from, if there are several; components have no edge.
    fn mode(&self, x: &[f64]) -> Option<Mode> {
        if self.components.len() < 2 {
            return None;
        }
        let terms = self.components.iter().map(|component| component.log_term(x, |_, _| ()));
        let (index, _) = terms.enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(Mode { index, count: self.components.len(), distance: 0.0 })
    }
}

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, LinalgScalar, Zip};
use rayon::prelude::*;

use super::layer_matrix::LayerMatrix;
use crate::{Element, Gradient, NetworkError, ScoreNetwork};

/// SOAP: Adam in the slowly turning eigenbasis of Shampoo's preconditioner.
///
/// The parameters of a layer are one matrix `W`, of an affine map the weight with the bias as its last column. With `G` the
/// gradient of step `k = 1, 2, …`, `L ← β L + (1 − β) G Gᵀ` and `R ← β R + (1 − β) Gᵀ G` are moments of its columns and
/// rows, `β = 0.99`, and `P` and `Q` are their eigenvectors. In the basis of these, in which `G` is `H = Pᵀ G Q` and its
/// entries hardly correlate, the step is Adam's: `M ← β₁ M + (1 − β₁) H`, `V ← β₂ V + (1 − β₂) H²` and
///
/// ```text
/// W ← W − η P [ (M / (1 − β₁ᵏ)) / (√(V / (1 − β₂ᵏ)) + ε) ] Qᵀ
/// ```
///
/// with `β₁ = 0.9`, `β₂ = 0.999`, `ε = 1e-8`. `P` and `Q` follow `L` and `R` by one step of orthogonal iteration in every ten, and
/// `M` is turned with them. The first step makes the bases and moves nothing. Unlike Adam's, the path of `W` turns with any
/// orthogonal change of a layer's inputs and outputs. A step costs six products of matrices of a layer's
/// size, whatever the number of points. Source: Vyas, Morwani, Zhao, Kwun, Shapira, Brandfonbrener, Janson and Kakade, *SOAP:
/// improving and stabilizing Shampoo using Adam*, ICLR 2025; the preconditioner is that of Gupta, Koren and Singer,
/// *Shampoo: preconditioned stochastic tensor optimization*, ICML 2018.
#[derive(Debug, Clone, PartialEq)]
pub struct Soap<E: Element> {
    step: i32,
    /// `M`, `V`, `L` with `R` and `P` with `Q`, layer after layer; empty before the first step.
    arrays: [Vec<E>; 4],
}

impl<E: Element> Default for Soap<E> {
    fn default() -> Self {
        Self { step: 0, arrays: Default::default() }
    }
}

const BETAS: [f64; 2] = [0.9, 0.999];
const EPSILON: f64 = 1e-8;

/// The decay of `L` and `R`.
const DECAY: f64 = 0.99;

/// Steps between two turns of the bases.
const TURN_EVERY: i32 = 10;

impl<E: Element> Soap<E> {
    /// The names of [`Soap::arrays`].
    pub const ARRAYS: [&str; 4] = ["first_moment", "second_moment", "matrix_moments", "bases"];

    /// SOAP as it was after `steps` steps, with the arrays of then.
    pub fn resume(steps: u32, arrays: [Vec<E>; 4]) -> Self {
        Self { step: i32::try_from(steps).unwrap_or(i32::MAX), arrays }
    }

    /// `M`, `V`, the pairs `L` and `R`, and the pairs `P` and `Q`, layer after layer and row by row; empty before the first step.
    pub fn arrays(&self) -> &[Vec<E>; 4] {
        &self.arrays
    }

    /// One step of size `learning_rate` against `gradient`.
    ///
    /// # Errors
    /// If the gradient, or that of an earlier step, is not one of this network.
    pub fn update(
        &mut self,
        network: &mut ScoreNetwork<E>,
        gradient: &Gradient<E>,
        learning_rate: f64,
    ) -> Result<(), NetworkError> {
        network.check_gradient(&gradient.0)?;
        let matrices = LayerMatrix::all(network.description());
        let entries = matrices.iter().map(LayerMatrix::len).sum();
        let squares = matrices.iter().map(squares).sum();
        let lengths = [entries, entries, squares, squares];
        if self.step == 0 {
            self.arrays = lengths.map(|length| vec![E::zero(); length]);
        }
        for (array, expected) in self.arrays.iter().zip(lengths) {
            if array.len() != expected {
                return Err(NetworkError::ParameterCount { expected, found: array.len() });
            }
        }
        self.step = self.step.saturating_add(1);
        let rates = Rates::new(self.step, learning_rate);
        let mut rest = self.arrays.each_mut().map(Vec::as_mut_slice);
        let mut layers = Vec::with_capacity(matrices.len());
        for matrix in &matrices {
            layers.push((matrix, Layer::take(matrix, &mut rest)));
        }
        // Layers do not depend on each other.
        let steps: Vec<Array2<E>> = layers
            .into_par_iter()
            .map(|(matrix, mut layer)| layer.step(&matrix.gather(&gradient.0), &rates))
            .collect();
        let mut parameters = network.parameters();
        for (matrix, step) in matrices.iter().zip(&steps) {
            matrix.subtract(step, &mut parameters);
        }
        network.set_parameters(&parameters)
    }
}

/// The entries of the square matrices on both sides of a matrix.
fn squares(matrix: &LayerMatrix) -> usize {
    matrix.rows.pow(2) + matrix.columns.pow(2)
}

/// What is the same for all layers in a step.
struct Rates {
    step: i32,
    /// `η / (1 − β₁ᵏ)`.
    size: f64,
    /// `1 / √(1 − β₂ᵏ)`.
    root_scale: f64,
}

impl Rates {
    fn new(step: i32, learning_rate: f64) -> Self {
        let [first, second] = BETAS.map(|beta| 1.0 - beta.powi(step));
        Self { step, size: learning_rate / first, root_scale: 1.0 / second.sqrt() }
    }
}

/// What is known of a layer's gradient.
struct Layer<'a, E> {
    /// `M` and `V`, in the basis of `P` and `Q`.
    moments: [ArrayViewMut2<'a, E>; 2],
    /// `L` and `R`.
    squares: [ArrayViewMut2<'a, E>; 2],
    /// `P` and `Q`.
    bases: [ArrayViewMut2<'a, E>; 2],
}

/// The first rows of an array, and what is left of it.
fn take<'a, E>(rest: &mut &'a mut [E], shape: (usize, usize)) -> ArrayViewMut2<'a, E> {
    let (own, tail) = std::mem::take(rest).split_at_mut(shape.0 * shape.1);
    *rest = tail;
    ArrayViewMut2::from_shape(shape, own).unwrap_or_else(|_| ArrayViewMut2::from(&mut [[]; 0]))
}

impl<'a, E: Element + LinalgScalar> Layer<'a, E> {
    fn take(matrix: &LayerMatrix, rest: &mut [&'a mut [E]; 4]) -> Self {
        let (rows, columns) = (matrix.rows, matrix.columns);
        let [first, second, squares, bases] = rest;
        let sides = [rows, columns];
        Self {
            moments: [first, second].map(|rest| take(rest, (rows, columns))),
            squares: sides.map(|side| take(squares, (side, side))),
            bases: sides.map(|side| take(bases, (side, side))),
        }
    }

    /// Takes in the gradient `G`, and returns what is to be taken from `W`.
    fn step(&mut self, gradient: &Array2<E>, rates: &Rates) -> Array2<E> {
        let products = [gradient.dot(&gradient.t()), gradient.t().dot(gradient)];
        let (keep, new) = (E::of(DECAY), E::of(1.0 - DECAY));
        for (square, product) in self.squares.iter_mut().zip(products) {
            square.zip_mut_with(&product, |s, &p| *s = keep * *s + new * p);
        }
        if rates.step == 1 {
            for (basis, square) in self.bases.iter_mut().zip(&self.squares) {
                basis.assign(&eigenvectors(square.view()));
            }
            return Array2::zeros(gradient.raw_dim());
        }
        if rates.step % TURN_EVERY == 0 {
            self.turn();
        }
        let [p, q] = &self.bases;
        let turned = p.t().dot(gradient).dot(q);
        let ([b1, b2], [c1, c2]) = (BETAS.map(E::of), BETAS.map(|beta| E::of(1.0 - beta)));
        let [size, root_scale, epsilon] = [rates.size, rates.root_scale, EPSILON].map(E::of);
        let [m, v] = &mut self.moments;
        let mut step = turned;
        Zip::from(&mut step).and(m).and(v).for_each(|h, m, v| {
            *m = b1 * *m + c1 * *h;
            *v = b2 * *v + c2 * *h * *h;
            *h = size * *m / (v.sqrt() * root_scale + epsilon);
        });
        p.dot(&step).dot(&q.t())
    }

    /// Takes the bases one step of orthogonal iteration on, in the order of their eigenvalues, and turns `M` with them.
    fn turn(&mut self) {
        let [p, q] = &self.bases;
        let first = p.dot(&self.moments[0]).dot(&q.t());
        for side in 0..2 {
            let (square, basis) = (&self.squares[side], &self.bases[side]);
            let image = square.dot(basis);
            let pairs = image.columns().into_iter().zip(basis.columns());
            let values: Vec<f64> = pairs.map(|(image, basis)| image.dot(&basis).wide()).collect();
            let order = descending(&values);
            let second = self.moments[1].select(Axis(side), &order);
            self.moments[1].assign(&second);
            self.bases[side].assign(&orthonormal(image.select(Axis(1), &order).view()));
        }
        let [p, q] = &self.bases;
        self.moments[0].assign(&p.t().dot(&first).dot(q));
    }
}

/// The places of numbers from the largest to the smallest.
fn descending(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    order
}

fn wide<E: Element>(matrix: ArrayView2<'_, E>) -> DMatrix<f64> {
    DMatrix::from_fn(matrix.nrows(), matrix.ncols(), |i, j| matrix[[i, j]].wide())
}

fn narrow<E: Element>(matrix: &DMatrix<f64>) -> Array2<E> {
    Array2::from_shape_fn(matrix.shape(), |place| E::of(matrix[place]))
}

/// The eigenvectors of a symmetric matrix as columns, those of the largest eigenvalues first.
fn eigenvectors<E: Element>(matrix: ArrayView2<'_, E>) -> Array2<E> {
    let eigen = SymmetricEigen::new(wide(matrix));
    let order = descending(eigen.eigenvalues.as_slice());
    narrow(&eigen.eigenvectors.select_columns(&order))
}

/// An orthonormal basis that spans with its first `k` columns what those of the matrix span, for each `k`.
fn orthonormal<E: Element>(matrix: ArrayView2<'_, E>) -> Array2<E> {
    narrow(&wide(matrix).qr().q())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fokker_sde_core::{OrnsteinUhlenbeck, Streams};

    use super::*;
    use crate::{Activation, Architecture, FourierFeatures, Initial, Parameter};

    fn network<E: Element>(hidden: Vec<usize>) -> ScoreNetwork<E> {
        let architecture = Architecture { dim: 2, hidden, ..Architecture::paper() };
        ScoreNetwork::new(&architecture, Arc::new(OrnsteinUhlenbeck::PAPER), Streams::new(0))
            .unwrap()
    }

    /// Some gradient of step `k`.
    fn gradient(entries: usize, k: usize) -> Vec<f64> {
        (0..entries).map(|i| ((1 + 3 * i * i) as f64 * 0.7 + (k * (i + 2)) as f64).sin()).collect()
    }

    /// A rotation of `n` dimensions with no zeros.
    fn rotation(n: usize) -> Array2<f64> {
        orthonormal(Array2::from_shape_fn((n, n), |(i, j)| ((i * n + 2 * j) as f64).sin()).view())
    }

    /// What is taken from a matrix of `n × n` in each of the steps against some gradients.
    fn steps(n: usize, gradients: impl Iterator<Item = Array2<f64>>) -> Vec<Array2<f64>> {
        let parameter = Parameter {
            name: "w".to_owned(),
            shape: vec![n, n],
            initial: Initial::Constant(0.0),
            trained: true,
        };
        let matrix = &LayerMatrix::all(&[parameter])[0];
        let mut arrays = [n * n, n * n, 2 * n * n, 2 * n * n].map(|length| vec![0.0; length]);
        let step = |(k, gradient)| {
            let mut rest = arrays.each_mut().map(Vec::as_mut_slice);
            Layer::take(matrix, &mut rest).step(&gradient, &Rates::new(k, 1e-2))
        };
        (1..).zip(gradients).map(step).collect()
    }

    #[test]
    fn steps_turn_with_the_inputs_and_outputs_of_a_layer() {
        let n = 5;
        let gradients =
            || (1..60).map(|k| Array2::from_shape_vec((n, n), gradient(n * n, k)).unwrap());
        let (u, v) = (rotation(n), rotation(n).t().to_owned());
        let straight = steps(n, gradients());
        let turned = steps(n, gradients().map(|g| u.dot(&g).dot(&v)));
        for (straight, turned) in straight.iter().zip(turned) {
            let far = u.dot(straight).dot(&v) - turned;
            assert!(far.iter().all(|far| far.abs() < 1e-9), "{far:.1e}");
        }
        assert!(straight[1..].iter().flatten().any(|step| step.abs() > 1e-3));
    }

    #[test]
    fn in_a_basis_of_its_own_it_is_adam() {
        // Gradients whose rows and columns do not correlate, the larger ones first: all but rounding is on the diagonal, and the
        // eigenvectors are the axes.
        let matrix = |k: usize| {
            let sizes = [5.0, 3.0, 2.0, 1.0];
            Array2::from_shape_fn((4, 4), |(i, j)| {
                if i == j { sizes[i] * (1.0 + 0.5 * ((k * (i + 1)) as f64).sin()) } else { 0.0 }
            })
        };
        let [mut m, mut v] = [[0.0_f64; 4]; 2];
        for (k, step) in (1..).zip(steps(4, (1..=35).map(matrix))) {
            for i in 0..4 {
                if k == 1 {
                    // The first step makes the bases alone.
                    assert_eq!(step[[i, i]], 0.0);
                    continue;
                }
                let g = matrix(k)[[i, i]];
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.999 * v[i] + 0.001 * g * g;
                let [first, second] = [0.9_f64, 0.999].map(|beta| 1.0 - beta.powi(k as i32));
                let expected = 1e-2 * m[i] / first / ((v[i] / second).sqrt() + 1e-8);
                assert!((step[[i, i]] - expected).abs() < 1e-12, "{k} {i}");
            }
        }
    }

    #[test]
    fn the_bases_become_the_eigenvectors() {
        let n = 6;
        let axes = rotation(n);
        let mut network = network::<f64>(vec![n]);
        let matrices = LayerMatrix::all(network.description());
        let first = &matrices[0];
        let mut soap = Soap::default();
        for k in 1..=4000 {
            // Along the axes, with independent signs and sizes that fall.
            let signs = |i: usize| if ((k * k * (i + 3)) as f64).sin() > 0.0 { 1.0 } else { -1.0 };
            let column = |j: usize| (0..n).map(move |i| signs(i + 7 * j) * 0.5_f64.powi(i as i32));
            let mut g = Array2::zeros((n, first.columns));
            for j in 0..first.columns {
                g.column_mut(j).assign(&axes.dot(&column(j).collect::<ndarray::Array1<f64>>()));
            }
            let mut entries = vec![0.0; network.parameter_count()];
            first.subtract(&g, &mut entries);
            soap.update(&mut network, &Gradient(entries), 1e-6).unwrap();
        }
        let mut rest = soap.arrays.each_mut().map(Vec::as_mut_slice);
        let layer = Layer::take(first, &mut rest);
        let overlap = layer.bases[0].t().dot(&axes);
        // The moments are averages over a hundred steps.
        for i in 0..n {
            assert!(overlap[[i, i]].abs() > 0.98, "{overlap:.3}");
        }
        let square = layer.bases[0].t().dot(&layer.bases[0]);
        let far = (&square - &Array2::<f64>::eye(n)).fold(0.0, |far: f64, x| far.max(x.abs()));
        assert!(far < 1e-12);
    }

    #[test]
    fn it_goes_on_where_it_was() {
        let mut whole = (network::<f32>(vec![7]), Soap::default());
        let mut parts = (network::<f32>(vec![7]), Soap::default());
        for k in 1..=30 {
            let g = gradient(whole.0.parameter_count(), k);
            let g = Gradient(g.into_iter().map(|g| g as f32).collect());
            if k == 17 {
                parts.1 = Soap::resume(16, parts.1.arrays().clone());
            }
            whole.1.update(&mut whole.0, &g, 1e-3).unwrap();
            parts.1.update(&mut parts.0, &g, 1e-3).unwrap();
        }
        assert_eq!(whole.0.parameters(), parts.0.parameters());
        assert_eq!(whole.1, parts.1);
    }

    #[test]
    fn parameters_that_are_not_trained_stay_and_other_gradients_are_refused() {
        let fourier = Some(FourierFeatures { count: 6, scale: 1.0 });
        let architecture =
            Architecture { fourier, ..Architecture::potential(2, vec![5], Activation::Silu) };
        let sde = Arc::new(OrnsteinUhlenbeck::PAPER);
        let mut first = ScoreNetwork::<f32>::new(&architecture, sde, Streams::new(0)).unwrap();
        let before = first.parameters();
        let mut soap = Soap::default();
        for _ in 0..12 {
            soap.update(&mut first, &Gradient(vec![1.0; before.len()]), 1e-2).unwrap();
        }
        let after = first.parameters();
        let frozen: usize = first.description()[..2].iter().map(Parameter::len).sum();
        assert_eq!(before[..frozen], after[..frozen]);
        assert!(before[frozen..].iter().zip(&after[frozen..]).all(|(a, b)| a != b));
        assert!(soap.update(&mut first, &Gradient(vec![0.0; 3]), 1e-3).is_err());
        let mut other = network::<f32>(vec![4]);
        let gradient = Gradient::zeros(&other);
        assert!(soap.update(&mut other, &gradient, 1e-3).is_err());
    }
}

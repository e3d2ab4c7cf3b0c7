use rand::RngExt;

use super::{Mode, Target};
use crate::StreamRng;

/// The uniform law on eight squares of side 1.5 in the plane, laid out as a checkerboard in
/// `[−3, 3]²`; the first of the three targets of Deveney et al. (2025).
///
/// The squares are `[−3, −1.5]²` moved by `6·(u, v)` for each `(u, v)` of the list in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkerboard;

const SIDE: f64 = 1.5;
const CORNER: f64 = -3.0;
const SHIFT: f64 = 6.0;
const SQUARES: [[f64; 2]; 8] = [
    [0.0, 0.0],
    [0.5, 0.0],
    [0.25, 0.25],
    [0.75, 0.25],
    [0.0, 0.5],
    [0.5, 0.5],
    [0.25, 0.75],
    [0.75, 0.75],
];

impl Target for Checkerboard {
    fn dim(&self) -> usize {
        2
    }

    fn draw(&self, rng: &mut StreamRng, point: &mut [f64]) {
        let square = SQUARES[rng.random_range(0..SQUARES.len())];
        for (x, shift) in point.iter_mut().zip(square) {
            *x = CORNER + SHIFT * shift + SIDE * rng.random::<f64>();
        }
    }

    fn density(&self, x: &[f64]) -> Option<f64> {
        let inside = SQUARES.iter().any(|square| {
            x.iter().zip(square).all(|(x, shift)| {
                let low = CORNER + SHIFT * shift;
                (low..low + SIDE).contains(x)
            })
        });
        Some(if inside { 1.0 / (SQUARES.len() as f64 * SIDE * SIDE) } else { 0.0 })
    }

    /// The nearest square.
    fn mode(&self, x: &[f64]) -> Option<Mode> {
        let distance = |square: [f64; 2]| {
            let beyond = |(x, shift): (&f64, f64)| {
                let low = CORNER + SHIFT * shift;
                (low - x).max(x - low - SIDE).max(0.0)
            };
            x.iter().zip(square).map(beyond).fold(0.0, f64::hypot)
        };
        let distances = SQUARES.into_iter().map(distance).enumerate();
        let (index, distance) = distances.min_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(Mode { index, count: SQUARES.len(), distance })
    }
}

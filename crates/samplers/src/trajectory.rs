use fokker_sde_core::Real;
use ndarray::{Array2, Axis, Zip};

use crate::sampler::BLOCK;
use crate::scheme::Tableau;
use crate::{Cost, SamplingError};

/// The way of points along a flow, at every time of it.
///
/// Between the steps it is the cubic Hermite polynomial, whose error is of order `h⁴`; for Dormand and Prince's method that of
/// Shampine's extension, of order `h⁵`.
#[derive(Debug, Clone)]
pub struct Trajectory<F> {
    /// For each block of points its steps.
    blocks: Vec<Vec<Segment<F>>>,
    ends: [f64; 2],
    shape: (usize, usize),
    /// What it cost.
    pub cost: Cost,
}

/// One step of a block: with `θ = (t − from)/h`,
/// `x(θ) = x_0 + θ (Δ + (1 − θ)(r + θ (q + (1 − θ) e)))`, where `Δ = x_1 − x_0`, `r = h v_0 − Δ`, `q = Δ − h v_1 − r`, and `e` is what
/// the extension adds. Source: Hairer, Nørsett and Wanner, *Solving ordinary differential equations I*, §II.6.
#[derive(Debug, Clone)]
pub(crate) struct Segment<F> {
    times: [f64; 2],
    start: Array2<F>,
    difference: Array2<F>,
    /// `h v` at both ends.
    slopes: [Array2<F>; 2],
    extension: Option<Array2<F>>,
}

impl<F: Real> Segment<F> {
    /// A step with the stages of a method, which hold the velocity at its end if the last stage is there.
    pub(crate) fn new(
        tableau: &Tableau,
        stages: &[Array2<F>],
        start: Array2<F>,
        end: &Array2<F>,
        times: [f64; 2],
    ) -> Self {
        let h = F::of(times[1] - times[0]);
        let slopes = [0, stages.len() - 1].map(|stage| stages[stage].mapv(|v| h * v));
        let extension = (!tableau.extension.is_empty()).then(|| {
            let mut sum = Array2::zeros(start.raw_dim());
            for (&weight, stage) in tableau.extension.iter().zip(stages) {
                sum.scaled_add(h * F::of(weight), stage);
            }
            sum
        });
        let difference = end - &start;
        Self { times, start, difference, slopes, extension }
    }

    /// The time at its end.
    pub(crate) fn end(&self) -> f64 {
        self.times[1]
    }

    /// Sets the velocity at the end and returns that at the start.
    pub(crate) fn close(&mut self, velocity: Array2<F>) -> Array2<F> {
        let h = F::of(self.times[1] - self.times[0]);
        self.slopes[1] = velocity.mapv(|v| h * v);
        self.slopes[0].mapv(|slope| slope / h)
    }

    fn at(&self, t: f64) -> Array2<F> {
        let share = (t - self.times[0]) / (self.times[1] - self.times[0]);
        let (share, rest) = (F::of(share), F::of(1.0 - share));
        let mut x = self.start.clone();
        let [first, last] = &self.slopes;
        Zip::from(&mut x).and(&self.difference).and(first).and(last).for_each(|x, &d, &a, &b| {
            let r = a - d;
            *x += share * (d + rest * (r + share * (d - b - r)));
        });
        if let Some(extension) = &self.extension {
            x.scaled_add(share * share * rest * rest, extension);
        }
        x
    }
}

impl<F: Real> Trajectory<F> {
    pub(crate) fn new(
        blocks: Vec<Vec<Segment<F>>>,
        ends: [f64; 2],
        shape: (usize, usize),
        cost: Cost,
    ) -> Self {
        Self { blocks, ends, shape, cost }
    }

    /// The points at the last time, `[n, d]`.
    pub fn end(&self) -> Array2<F> {
        self.gather(|segments| segments.last().map(|last| &last.start + &last.difference))
    }

    /// The points at `t`, `[n, d]`.
    ///
    /// # Errors
    /// If the flow does not go through `t`.
    pub fn at(&self, t: f64) -> Result<Array2<F>, SamplingError> {
        let [from, to] = self.ends;
        if !(t >= from.min(to) && t <= from.max(to)) {
            return Err(SamplingError::Outside { t, from, to });
        }
        let rising = from < to;
        Ok(self.gather(|segments| {
            let before = |segment: &Segment<F>| (segment.end() < t) == rising && segment.end() != t;
            let index = segments.partition_point(before);
            segments.get(index).map(|segment| segment.at(t))
        }))
    }

    fn gather(&self, of: impl Fn(&[Segment<F>]) -> Option<Array2<F>>) -> Array2<F> {
        let mut all = Array2::zeros(self.shape);
        let rows = all.axis_chunks_iter_mut(Axis(0), BLOCK);
        for (mut rows, segments) in rows.zip(&self.blocks) {
            if let Some(block) = of(segments) {
                rows.assign(&block);
            }
        }
        all
    }
}

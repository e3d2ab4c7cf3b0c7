use fokker_sde_core::{Purpose, StreamRng, Streams};
use rand_distr::{Distribution, StandardNormal};

/// The path of a Brownian motion `W̄` that runs from `T` down to 0, for a block of particles, with its integral
/// `J(t) = ∫_t^T W̄`: the same path whatever the times are at which it is asked for, up to the width of a leaf,
/// `2⁻³⁶ T`.
///
/// Between two times the path is known by its increment `W` and its space-time Lévy area
/// `H = (1/h) ∫ (W̄_r − (r/h) W) dr`, which are independent with variances `h` and `h/12`. An interval is halved by
///
/// `W_1 = ½ W + (3/2) H + Z`, `H_1 = ¼ H − ½ Z + ½ N`, `H_2 = ¼ H − ½ Z − ½ N` with `Z ~ N(0, h/16)`, `N ~ N(0, h/12)`
///
/// and `W_2 = W − W_1`; so the values at dyadic times form a tree, each of whose nodes draws from a stream of its
/// own, and nothing of the path is stored but the way down to the last time that was asked for. The leaf is split
/// where the time lies in it, exactly in law. Sources: Lévy, *Processus stochastiques et mouvement brownien* (1948),
/// for the bridge; Foster, Lyons and Oberhauser, *An optimal polynomial approximation of Brownian motion*, SIAM J.
/// Numer. Anal. 58 (2020), for the pair; Li et al., *Scalable gradients for stochastic differential equations*,
/// AISTATS 2020, for the tree.
pub(crate) struct BrownianPath {
    streams: Streams,
    block: u64,
    /// The way from the root to the leaf of the last time; never empty.
    nodes: Vec<Node>,
}

/// The path at one time, for all numbers of a block.
#[derive(Clone)]
pub(crate) struct PathPoint {
    /// `W̄(t)`.
    pub(crate) value: Vec<f64>,
    /// `J(t)`.
    pub(crate) integral: Vec<f64>,
}

/// An interval of the tree.
struct Node {
    /// The number in a heap: the root is 1, the halves of `k` are `2k` (the later times) and `2k + 1`.
    index: u64,
    earlier: f64,
    later: f64,
    /// The path at the later time, where `W̄` comes from.
    start: PathPoint,
    increment: Vec<f64>,
    area: Vec<f64>,
}

/// Levels below the root.
const DEPTH: u32 = 36;

/// `count` normal numbers with this variance.
fn normals(rng: &mut StreamRng, count: usize, variance: f64) -> Vec<f64> {
    let std = variance.sqrt();
    (0..count)
        .map(|_| {
            let z: f64 = StandardNormal.sample(rng);
            std * z
        })
        .collect()
}

/// The point a time `h` after `from` whose increment and area are given.
fn after(from: &PathPoint, h: f64, increment: &[f64], area: &[f64]) -> PathPoint {
    let starts = from.value.iter().zip(&from.integral);
    let (value, integral) = starts
        .zip(increment.iter().zip(area))
        .map(|((w, j), (dw, a))| (w + dw, j + h * (w + a + 0.5 * dw)))
        .unzip();
    PathPoint { value, integral }
}

impl BrownianPath {
    /// The path of block `block`, of `count` numbers, on `[0, horizon]`.
    pub(crate) fn new(streams: Streams, block: u64, horizon: f64, count: usize) -> Self {
        let mut rng = streams.rng(Purpose::BrownianBridge, block, 0);
        let increment = normals(&mut rng, count, horizon);
        let area = normals(&mut rng, count, horizon / 12.0);
        let zero = PathPoint { value: vec![0.0; count], integral: vec![0.0; count] };
        let root = Node { index: 1, earlier: 0.0, later: horizon, start: zero, increment, area };
        Self { streams, block, nodes: vec![root] }
    }

    /// The path at `t`, between 0 and the horizon.
    pub(crate) fn at(&mut self, t: f64) -> PathPoint {
        let holds = |node: &Node| node.earlier < t && t <= node.later;
        while self.nodes.len() > 1 && !self.nodes.last().is_some_and(holds) {
            self.nodes.pop();
        }
        loop {
            let node = &self.nodes[self.nodes.len() - 1];
            if t == node.later {
                return node.start.clone();
            }
            if t <= node.earlier {
                // The end of the root.
                let h = node.later - node.earlier;
                return after(&node.start, h, &node.increment, &node.area);
            }
            let mut rng = self.streams.rng(Purpose::BrownianBridge, self.block, node.index);
            if self.nodes.len() as u32 > DEPTH {
                return node.split(t, &mut rng);
            }
            let half = node.half(t, &mut rng);
            self.nodes.push(half);
        }
    }
}

impl Node {
    /// The half of this interval that holds `t`.
    fn half(&self, t: f64, rng: &mut StreamRng) -> Self {
        let (h, count) = (self.later - self.earlier, self.increment.len());
        let middle = self.earlier + 0.5 * h;
        let z = normals(rng, count, h / 16.0);
        let n = normals(rng, count, h / 12.0);
        let first = t > middle;
        let mut increment = Vec::with_capacity(count);
        let mut area = Vec::with_capacity(count);
        let parts = self.increment.iter().zip(&self.area).zip(z.iter().zip(&n));
        for ((w, a), (z, n)) in parts.clone() {
            let w_1 = 0.5 * w + 1.5 * a + z;
            increment.push(if first { w_1 } else { w - w_1 });
            area.push(0.25 * a - 0.5 * z + if first { 0.5 * n } else { -0.5 * n });
        }
        if first {
            let start = self.start.clone();
            return Self {
                index: 2 * self.index,
                earlier: middle,
                later: self.later,
                start,
                increment,
                area,
            };
        }
        let (w_1, h_1): (Vec<f64>, Vec<f64>) = parts
            .map(|((w, a), (z, n))| (0.5 * w + 1.5 * a + z, 0.25 * a - 0.5 * z + 0.5 * n))
            .unzip();
        let start = after(&self.start, 0.5 * h, &w_1, &h_1);
        let index = 2 * self.index + 1;
        Self { index, earlier: self.earlier, later: middle, start, increment, area }
    }

    /// The path at a time within this interval, by conditioning: two independent pieces are drawn and corrected by
    /// `K` times what their sum misses of this interval's `(W, J)`, with `K = Cov((W_1, J_1), (W, J)) Cov((W, J))⁻¹`
    /// (Matheron's rule).
    fn split(&self, t: f64, rng: &mut StreamRng) -> PathPoint {
        let (p, q, h) = (self.later - t, t - self.earlier, self.later - self.earlier);
        let count = self.increment.len();
        let drawn = [(p, 1.0), (p, 12.0), (q, 1.0), (q, 12.0)];
        let [w_1, h_1, w_2, h_2] = drawn.map(|(length, part)| normals(rng, count, length / part));
        // Rows of K, the first for W_1, the second for J_1.
        let covariance =
            [[p, 0.5 * p * p + p * q], [0.5 * p * p, p * p * p / 3.0 + 0.5 * p * p * q]];
        let inverse = [[4.0 / h, -6.0 / (h * h)], [-6.0 / (h * h), 12.0 / (h * h * h)]];
        let gain = covariance.map(|c| [0, 1].map(|k| c[0] * inverse[0][k] + c[1] * inverse[1][k]));
        let mut point = self.start.clone();
        for i in 0..count {
            let (first, second) = (p * (h_1[i] + 0.5 * w_1[i]), q * (h_2[i] + 0.5 * w_2[i]));
            let missing = [
                self.increment[i] - w_1[i] - w_2[i],
                h * (self.area[i] + 0.5 * self.increment[i]) - first - second - q * w_1[i],
            ];
            let along = |gain: [f64; 2]| gain[0] * missing[0] + gain[1] * missing[1];
            point.integral[i] += p * point.value[i] + first + along(gain[1]);
            point.value[i] += w_1[i] + along(gain[0]);
        }
        point
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HORIZON: f64 = 2.0;

    fn path(block: u64, count: usize) -> BrownianPath {
        BrownianPath::new(Streams::new(3), block, HORIZON, count)
    }

    #[test]
    fn the_path_does_not_depend_on_what_was_asked_before() {
        let times = [1.9, 1.3, 1.0, 0.7, 0.1, 1e-3, 0.0];
        let mut once = path(0, 3);
        let all: Vec<PathPoint> = times.iter().map(|&t| once.at(t)).collect();
        for (t, point) in times.iter().zip(&all) {
            assert_eq!(path(0, 3).at(*t).value, point.value);
            let again = once.at(*t);
            assert_eq!((&again.value, &again.integral), (&point.value, &point.integral));
        }
        assert_ne!(path(1, 3).at(0.7).value, all[3].value);
    }

    #[test]
    fn increments_and_integrals_have_their_covariances() {
        // Means over 4096 numbers of products of jointly normal variables, each within 5 standard errors: a false
        // alarm in 6e-7 for each of the 40 assertions.
        let mut path = path(7, 4096);
        let times = [1.37, 1.0, 0.625, 0.01];
        let points = times.map(|t| path.at(t));
        let mean = |a: &[f64], b: &[f64]| {
            let products: Vec<f64> = a.iter().zip(b).map(|(a, b)| a * b).collect();
            let n = products.len() as f64;
            let mean = products.iter().sum::<f64>() / n;
            let square = products.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / n;
            (mean, (square / n).sqrt())
        };
        let check = |(found, error): (f64, f64), exact: f64| {
            assert!((found - exact).abs() < 5.0 * error, "{found} ± {error}, not {exact}");
        };
        for (i, a) in points.iter().enumerate() {
            for (j, b) in points.iter().enumerate().skip(i) {
                // The first has run for r, the second, further down, for s ≥ r.
                let (r, s) = (HORIZON - times[i], HORIZON - times[j]);
                check(mean(&a.value, &b.value), r);
                check(mean(&a.value, &b.integral), r * s - 0.5 * r * r);
                check(mean(&a.integral, &b.value), 0.5 * r * r);
                check(mean(&a.integral, &b.integral), 0.5 * r * r * s - r * r * r / 6.0);
            }
        }
    }
}

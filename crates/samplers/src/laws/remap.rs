use super::departures::Departure;

/// The masses inside one cell: a parabola `q` on `[0, 1]` that is nowhere negative.
#[derive(Debug, Clone, Copy)]
struct Parabola {
    /// `q(0)`.
    left: f64,
    /// `q(1) − q(0)`.
    rise: f64,
    /// `q(ξ) = left + ξ (rise + bend (1 − ξ))`.
    bend: f64,
}

impl Parabola {
    /// With the mean `mean` and the ends `left` and `right`, drawn towards the mean as far as it takes to be
    /// nowhere negative.
    fn new(mean: f64, left: f64, right: f64) -> Self {
        let rise = right - left;
        let bend = 6.0 * (mean - 0.5 * (left + right));
        let mut least = left.min(right);
        // The vertex, where it is a minimum and inside.
        if -bend > rise.abs() {
            least = left + (rise + bend).powi(2) / (4.0 * bend);
        }
        if least >= 0.0 {
            return Self { left, rise, bend };
        }
        let share = mean / (mean - least);
        Self { left: mean + share * (left - mean), rise: share * rise, bend: share * bend }
    }

    fn at(&self, place: f64) -> f64 {
        // Where the parabola touches zero, rounding may take it below.
        (self.left + place * (self.rise + self.bend * (1.0 - place))).max(0.0)
    }

    /// The mass between two places: Simpson's rule, which is exact and of positive terms only.
    fn mass(&self, from: f64, to: f64) -> f64 {
        let ends = self.at(from) + self.at(to);
        (to - from) / 6.0 * (ends + 4.0 * self.at(0.5 * (from + to)))
    }
}

/// Moves the masses of a line of cells: what lies between the departures of the faces of a cell arrives in
/// it. `parabolas` is memory.
///
/// Inside a cell the mass is distributed as a parabola with the cell's mass and face values interpolated
/// between four cells by cubics (Colella and Woodward, J. Comput. Phys. 54 (1984), eq. 1.9 on equal cells),
/// scaled towards its mean where it would be negative (Zhang and Shu, J. Comput. Phys. 229 (2010)). Walls
/// mirror.
pub(crate) fn remap(masses: &mut [f64], departures: &[Departure], scratch: &mut Scratch) {
    let Scratch { parabolas, old } = scratch;
    old.clear();
    old.extend_from_slice(masses);
    let last = old.len() - 1;
    parabolas.clear();
    let mut left = old[0];
    for (i, &mass) in old.iter().enumerate() {
        let right = if i == last {
            mass
        } else {
            let [before, after] = [old[i.saturating_sub(1)], old[(i + 2).min(last)]];
            let middle = 0.5 * (mass + old[i + 1]);
            middle + (middle - 0.5 * (before + after)) / 6.0
        };
        parabolas.push(Parabola::new(mass, left, right));
        left = right;
    }
    for (mass, pair) in masses.iter_mut().zip(departures.windows(2)) {
        let (from, to) = (pair[0], pair[1]);
        *mass = if from.cell == to.cell {
            parabolas[from.cell].mass(from.at, to.at)
        } else {
            let between: f64 = old[from.cell + 1..to.cell].iter().sum();
            parabolas[from.cell].mass(from.at, 1.0) + between + parabolas[to.cell].mass(0.0, to.at)
        };
    }
}

/// Memory for [`remap`].
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    parabolas: Vec<Parabola>,
    old: Vec<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parabolas_keep_their_mass_and_are_nowhere_negative() {
        let values = [0.0, 1e-300, 1e-9, 0.3, 1.0, 2.5];
        for mean in values {
            for left in values.map(|v| v - 0.4) {
                for right in values.map(|v| v - 0.4) {
                    let q = Parabola::new(mean, left, right);
                    let (head, tail) = (q.mass(0.0, 0.3), q.mass(0.3, 1.0));
                    assert!((head + tail - mean).abs() < 1e-15, "{mean} {left} {right}: {q:?}");
                    let exact = |x: f64| q.left + x * (q.rise + q.bend * (1.0 - x));
                    assert!((0..=100).all(|k| exact(f64::from(k) / 100.0) > -1e-15), "{q:?}");
                }
            }
        }
    }
}

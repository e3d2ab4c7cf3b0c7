/// Where a point that is at a face after a step has come from.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Departure {
    /// The cell.
    pub(crate) cell: usize,
    /// The place in it, from 0 to 1.
    pub(crate) at: f64,
}

impl Departure {
    fn is_before(&self, other: &Self) -> bool {
        (self.cell, self.at) < (other.cell, other.at)
    }
}

/// Writes the departures of the `n + 1` faces of a line of `n` cells, of points that move along it for the
/// share `time` of a step; `ways` holds the ways in the centres, in cells per step.
///
/// The velocity at faces is interpolated between centres by cubics, that inside a cell between its faces
/// linearly, and vanishes at the walls. The motion in that field is known in closed form, so that departures
/// are in order however long the ways are. `faces` is memory.
pub(crate) fn trace(ways: &[f64], time: f64, faces: &mut Vec<f64>, departures: &mut [Departure]) {
    interpolate(ways, faces);
    let cells = ways.len();
    let mut before = Departure::default();
    for (face, out) in departures.iter_mut().enumerate() {
        let mut departure = match face {
            0 => before,
            _ if face == cells => Departure { cell: cells - 1, at: 1.0 },
            _ => trace_face(faces, face, time),
        };
        // Rounding alone could bring them out of order.
        if departure.is_before(&before) {
            departure = before;
        }
        *out = departure;
        before = departure;
    }
}

/// From the centres of the cells of a line to its faces, walls included.
fn interpolate(centres: &[f64], faces: &mut Vec<f64>) {
    faces.clear();
    faces.push(0.0);
    let cells = centres.len();
    faces.extend((1..cells).map(|face| {
        let middle = 0.5 * (centres[face - 1] + centres[face]);
        if face == 1 || face + 1 == cells {
            middle
        } else {
            middle + (middle - 0.5 * (centres[face - 2] + centres[face + 1])) / 8.0
        }
    }));
    faces.push(0.0);
}

/// Follows the point at an inner face back.
fn trace_face(faces: &[f64], face: usize, mut time: f64) -> Departure {
    let upwards = faces[face] > 0.0;
    // Seen against the motion: a cell is entered at its near face and left, if ever, at the far one.
    let sign = if upwards { 1.0 } else { -1.0 };
    let mut cell = if upwards { face - 1 } else { face };
    loop {
        let (near, far) = if upwards { (cell + 1, cell) } else { (cell, cell + 1) };
        let (near, far) = (sign * faces[near], sign * faces[far]);
        let crossing =
            if near.max(far) * time <= 1.0 { f64::INFINITY } else { time_across(near, far) };
        if crossing >= time {
            let depth = (near * time * damping((near - far) * time)).clamp(0.0, 1.0);
            return Departure { cell, at: if upwards { 1.0 - depth } else { depth } };
        }
        // The far velocity is not zero, so that this is no wall.
        time -= crossing;
        cell = if upwards { cell - 1 } else { cell + 1 };
    }
}

/// The time across a cell between faces with velocities `near > 0` and `far`: `log(far/near)/(far − near)`.
fn time_across(near: f64, far: f64) -> f64 {
    if far <= 0.0 {
        return f64::INFINITY;
    }
    let excess = (far - near) / near;
    if excess.abs() < 1e-8 { (1.0 - 0.5 * excess) / near } else { excess.ln_1p() / (far - near) }
}

/// `(1 − e^{−z})/z`.
fn damping(z: f64) -> f64 {
    if z.abs() < 1e-8 { 1.0 - 0.5 * z } else { -(-z).exp_m1() / z }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Departures as places along the line.
    fn places(ways: &[f64], time: f64) -> Vec<f64> {
        let mut departures = vec![Departure::default(); ways.len() + 1];
        trace(ways, time, &mut Vec::new(), &mut departures);
        departures.iter().map(|d| d.cell as f64 + d.at).collect()
    }

    #[test]
    fn a_linear_velocity_is_followed_exactly() {
        // x' = r (x − 10) on twenty cells, far from the walls, where the velocity is cut off.
        for rate in [-0.4, -1e-12, 0.3] {
            let ways: Vec<f64> = (0..20).map(|i| rate * (f64::from(i) + 0.5 - 10.0)).collect();
            for (face, place) in places(&ways, 1.0).iter().enumerate().skip(6).take(9) {
                let expected = 10.0 + (face as f64 - 10.0) * (-rate).exp();
                assert!((place - expected).abs() < 1e-12, "{face}: {place}, not {expected}");
            }
        }
    }

    #[test]
    fn departures_stay_in_order_and_in_the_box_however_far_points_go() {
        for scale in [0.1, 1.0, 1e3, 1e12, 1e300] {
            let ways: Vec<f64> = (0..64).map(|i| scale * (f64::from(i * i) * 1.7).sin()).collect();
            let places = places(&ways, 1.0);
            assert!(places.windows(2).all(|pair| pair[0] <= pair[1]), "{scale}: {places:?}");
            assert_eq!((places[0], places[64]), (0.0, 64.0));
        }
    }
}

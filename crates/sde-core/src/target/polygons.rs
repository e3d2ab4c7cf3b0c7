use rand::RngExt;

use super::triangles::{Vertex, cut, meet, shared_area, signed_area, turn};
use super::{PolygonError, Target};
use crate::StreamRng;

/// Coordinates up to which no product of areas overflows.
const LARGEST: f64 = 1e100;
/// A polygon thinner than this fraction of its extent has no area.
const THINNEST: f64 = 1e-12;
/// Polygons may share this fraction of the area of the smaller one: what rounding makes of a common
/// boundary.
const SHARED: f64 = 1e-9;

/// The uniform law on simple polygons in the plane, convex or not.
///
/// The polygons may touch but not overlap, so that this is the uniform law on their union: its density
/// is one over the sum of their areas inside and 0 outside. A point of a boundary that two polygons
/// share belongs to one of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygons {
    polygons: Vec<Vec<Vertex>>,
    triangles: Vec<[Vertex; 3]>,
    /// The areas of the triangles up to and including each.
    areas: Vec<f64>,
}

impl Polygons {
    /// The law on polygons given by their vertices in order, in either direction; the last vertex is
    /// joined to the first.
    ///
    /// Three vertices in a row may lie on a line, as long as the boundary does not run back on itself.
    ///
    /// # Errors
    /// If there is no polygon; one has fewer than three vertices, a vertex that is not finite or is
    /// repeated, no area, or edges that meet elsewhere than at common vertices, all judged in double
    /// precision; or two polygons share more than 1e-9 of the smaller one's area.
    pub fn new(polygons: Vec<Vec<[f64; 2]>>) -> Result<Self, PolygonError> {
        if polygons.is_empty() {
            return Err(PolygonError::Empty);
        }
        let mut parts = Vec::with_capacity(polygons.len());
        for (polygon, vertices) in polygons.iter().enumerate() {
            check(polygon, vertices)?;
            let mut vertices = vertices.clone();
            if signed_area(&vertices) < 0.0 {
                vertices.reverse();
            }
            parts.push(cut(&vertices).ok_or(PolygonError::Triangulation { polygon })?);
        }
        check_apart(&parts)?;
        Ok(Self::of_triangles(polygons, parts.concat()))
    }

    fn of_triangles(polygons: Vec<Vec<Vertex>>, triangles: Vec<[Vertex; 3]>) -> Self {
        let mut total = 0.0;
        let sum = |triangle: &[Vertex; 3]| {
            total += signed_area(triangle);
            total
        };
        let areas = triangles.iter().map(sum).collect();
        Self { polygons, triangles, areas }
    }

    /// The area of all polygons together.
    pub fn area(&self) -> f64 {
        self.areas[self.areas.len() - 1]
    }
}

/// Refuses a polygon that is not simple.
fn check(polygon: usize, vertices: &[Vertex]) -> Result<(), PolygonError> {
    let n = vertices.len();
    if n < 3 {
        return Err(PolygonError::TooFew { polygon, vertices: n });
    }
    let wild = |at: &Vertex| !at.iter().all(|x| x.abs() <= LARGEST);
    if let Some(vertex) = vertices.iter().position(wild) {
        return Err(PolygonError::Vertex { polygon, vertex, at: vertices[vertex] });
    }
    if let Some(vertex) = (0..n).find(|&i| vertices[i] == vertices[(i + 1) % n]) {
        return Err(PolygonError::Repeated { polygon, vertex });
    }
    // The areas without their signs vanish on a line only; those of a figure of eight cancel.
    let fan = vertices.windows(2).map(|edge| turn(vertices[0], edge[0], edge[1]).abs());
    let extent = (0..2)
        .map(|axis| {
            vertices.iter().map(|v| (v[axis] - vertices[0][axis]).abs()).fold(0.0, f64::max)
        })
        .fold(0.0, f64::max);
    if fan.sum::<f64>() <= THINNEST * extent * extent {
        return Err(PolygonError::Degenerate { polygon });
    }
    let edge = |i: usize| [vertices[i], vertices[(i + 1) % n]];
    for second in 1..n {
        for first in 0..second {
            let bad = if second == first + 1 {
                runs_back(edge(first)[0], edge(first)[1], edge(second)[1])
            } else if first == 0 && second == n - 1 {
                runs_back(edge(second)[0], edge(second)[1], edge(first)[1])
            } else {
                meet(edge(first), edge(second))
            };
            if bad {
                return Err(PolygonError::SelfIntersecting { polygon, first, second });
            }
        }
    }
    Ok(())
}

/// Whether the way from `a` to `b` is gone back on the way to `c`.
fn runs_back(a: Vertex, b: Vertex, c: Vertex) -> bool {
    let dot = (b[0] - a[0]) * (c[0] - b[0]) + (b[1] - a[1]) * (c[1] - b[1]);
    turn(a, b, c) == 0.0 && dot < 0.0
}

/// Refuses polygons, each given by its triangles, that overlap.
fn check_apart(parts: &[Vec<[Vertex; 3]>]) -> Result<(), PolygonError> {
    let area = |part: &[[Vertex; 3]]| part.iter().map(|t| signed_area(t)).sum::<f64>();
    for (second, own) in parts.iter().enumerate() {
        for (first, other) in parts[..second].iter().enumerate() {
            let pairs = own.iter().flat_map(|t| other.iter().map(move |u| shared_area(t, u)));
            let shared: f64 = pairs.sum();
            if shared > SHARED * area(own).min(area(other)) {
                return Err(PolygonError::Overlap { first, second, area: shared });
            }
        }
    }
    Ok(())
}

/// Whether a ray from `x` to the right crosses the boundary an odd number of times.
fn contains(polygon: &[Vertex], x: &[f64]) -> bool {
    let mut inside = false;
    let mut a = polygon[polygon.len() - 1];
    for &b in polygon {
        // Half-open in height, so that a ray through a vertex crosses one of its edges.
        if (a[1] > x[1]) != (b[1] > x[1])
            && x[0] < a[0] + (x[1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0])
        {
            inside = !inside;
        }
        a = b;
    }
    inside
}

/// An L of width 2 and a triangle in `[−3, 3]²`.
impl Default for Polygons {
    fn default() -> Self {
        let l = [[-3.0, -3.0], [1.0, -3.0], [1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0], [-3.0, 1.0]];
        let triangle = [[0.0, 3.0], [3.0, 0.0], [3.0, 3.0]];
        let triangles = vec![
            [l[0], l[1], l[2]],
            [l[0], l[2], l[3]],
            [l[0], l[3], l[4]],
            [l[0], l[4], l[5]],
            triangle,
        ];
        Self::of_triangles(vec![l.to_vec(), triangle.to_vec()], triangles)
    }
}

impl Target for Polygons {
    fn dim(&self) -> usize {
        2
    }

    fn draw(&self, rng: &mut StreamRng, point: &mut [f64]) {
        let area = self.area() * rng.random::<f64>();
        // Rounding can bring the product up to the whole area.
        let chosen = self.areas.partition_point(|&up_to| up_to <= area).min(self.areas.len() - 1);
        let [a, b, c] = self.triangles[chosen];
        let [mut u, mut v]: [f64; 2] = rng.random();
        // The half of the parallelogram beyond the triangle is turned onto it.
        if u + v > 1.0 {
            [u, v] = [1.0 - u, 1.0 - v];
        }
        for (axis, x) in point.iter_mut().enumerate() {
            *x = a[axis] + u * (b[axis] - a[axis]) + v * (c[axis] - a[axis]);
        }
    }

    fn density(&self, x: &[f64]) -> Option<f64> {
        let inside = self.polygons.iter().any(|polygon| contains(polygon, x));
        Some(if inside { 1.0 / self.area() } else { 0.0 })
    }
}

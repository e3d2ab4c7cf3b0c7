/// A point of the plane.
pub(super) type Vertex = [f64; 2];

/// Twice the signed area of the triangle `a b c`, positive if it turns left.
pub(super) fn turn(a: Vertex, b: Vertex, c: Vertex) -> f64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

/// The signed area of a polygon, positive if it runs counter-clockwise.
pub(super) fn signed_area(polygon: &[Vertex]) -> f64 {
    // From one of its vertices, for polygons far from the origin.
    let fan = polygon.windows(2).map(|edge| turn(polygon[0], edge[0], edge[1]));
    0.5 * fan.sum::<f64>()
}

/// Whether the edges `a b` and `c d`, ends included, have a point in common.
pub(super) fn meet([a, b]: [Vertex; 2], [c, d]: [Vertex; 2]) -> bool {
    let (c_side, d_side) = (turn(a, b, c), turn(a, b, d));
    let (a_side, b_side) = (turn(c, d, a), turn(c, d, b));
    let apart = |p: f64, q: f64| (p > 0.0 && q > 0.0) || (p < 0.0 && q < 0.0);
    if apart(c_side, d_side) || apart(a_side, b_side) {
        return false;
    }
    // Edges on one line have all turns 0; they meet if their shadows on both axes do.
    (0..2).all(|axis| {
        let low = a[axis].min(b[axis]).max(c[axis].min(d[axis]));
        let high = a[axis].max(b[axis]).min(c[axis].max(d[axis]));
        low <= high
    })
}

/// Cuts a simple polygon that runs counter-clockwise into triangles that do so as well, by cutting off
/// ears: a vertex at which the polygon turns left, and whose triangle holds no other vertex. Every
/// simple polygon has one (Meisters, American Mathematical Monthly 82, 1975). `O(n³)` at worst.
///
/// `None` if rounding hides all ears.
pub(super) fn cut(polygon: &[Vertex]) -> Option<Vec<[Vertex; 3]>> {
    let mut rest = polygon.to_vec();
    let mut triangles = Vec::with_capacity(rest.len() - 2);
    while rest.len() > 3 {
        let n = rest.len();
        let ear = (0..n).find(|&i| {
            let (a, b, c) = (rest[(i + n - 1) % n], rest[i], rest[(i + 1) % n]);
            let outside =
                |p: Vertex| turn(a, b, p) < 0.0 || turn(b, c, p) < 0.0 || turn(c, a, p) < 0.0;
            turn(a, b, c) > 0.0 && (2..n - 1).all(|step| outside(rest[(i + step) % n]))
        })?;
        triangles.push([rest[(ear + n - 1) % n], rest[ear], rest[(ear + 1) % n]]);
        rest.remove(ear);
    }
    triangles.push([rest[0], rest[1], rest[2]]);
    Some(triangles)
}

/// The area that two counter-clockwise triangles share: one clipped by each edge of the other
/// (Sutherland & Hodgman, Communications of the ACM 17, 1974).
pub(super) fn shared_area(first: &[Vertex; 3], second: &[Vertex; 3]) -> f64 {
    let mut clipped = first.to_vec();
    for edge in 0..3 {
        let (a, b) = (second[edge], second[(edge + 1) % 3]);
        let mut inside = Vec::with_capacity(clipped.len() + 1);
        for (i, &p) in clipped.iter().enumerate() {
            let q = clipped[(i + 1) % clipped.len()];
            let (p_side, q_side) = (turn(a, b, p), turn(a, b, q));
            if p_side >= 0.0 {
                inside.push(p);
            }
            if (p_side > 0.0 && q_side < 0.0) || (p_side < 0.0 && q_side > 0.0) {
                let along = p_side / (p_side - q_side);
                inside.push([0, 1].map(|axis| p[axis] + along * (q[axis] - p[axis])));
            }
        }
        clipped = inside;
    }
    signed_area(&clipped).max(0.0)
}

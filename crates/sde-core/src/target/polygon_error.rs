/// Why polygons make no law. Polygons and vertices are counted from 0; edge `i` runs from vertex `i` to
/// the next one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PolygonError {
    /// There is no polygon.
    #[error("there are no polygons")]
    Empty,
    /// A polygon has fewer than three vertices.
    #[error("polygon {polygon} has {vertices} vertices, but needs at least 3")]
    TooFew {
        /// The polygon.
        polygon: usize,
        /// The number of its vertices.
        vertices: usize,
    },
    /// A coordinate is NaN, infinite, or so large that areas overflow.
    #[error("polygon {polygon}: vertex {vertex} is {at:?}, but must be finite and within ±1e100")]
    Vertex {
        /// The polygon.
        polygon: usize,
        /// The vertex.
        vertex: usize,
        /// Its coordinates.
        at: [f64; 2],
    },
    /// Two consecutive vertices are the same.
    #[error("polygon {polygon}: vertex {vertex} is repeated by the next one")]
    Repeated {
        /// The polygon.
        polygon: usize,
        /// The first of the two vertices.
        vertex: usize,
    },
    /// The vertices lie on one line, to rounding.
    #[error("polygon {polygon} has no area: its vertices lie on one line")]
    Degenerate {
        /// The polygon.
        polygon: usize,
    },
    /// Two edges cross, touch, or run back over each other.
    #[error("polygon {polygon} is not simple: its edges {first} and {second} meet")]
    SelfIntersecting {
        /// The polygon.
        polygon: usize,
        /// One edge.
        first: usize,
        /// The other edge.
        second: usize,
    },
    /// Rounding leaves no vertex of a polygon that could be cut off.
    #[error("polygon {polygon} is too nearly degenerate to be cut into triangles")]
    Triangulation {
        /// The polygon.
        polygon: usize,
    },
    /// Two polygons have points in common inside.
    #[error("polygons {first} and {second} overlap in an area of {area}")]
    Overlap {
        /// One polygon.
        first: usize,
        /// The other polygon.
        second: usize,
        /// The area that they share.
        area: f64,
    },
}

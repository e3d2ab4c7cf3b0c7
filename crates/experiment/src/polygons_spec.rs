use fokker_sde_core::{PolygonError, Polygons};

/// The polygons of a uniform law.
#[derive(Debug, Clone, PartialEq)]
pub struct PolygonsSpec {
    /// The vertices of each polygon in order.
    pub polygons: Vec<Vec<(f64, f64)>>,
    /// The label; `polygons` if not given.
    pub name: Option<String>,
}

impl PolygonsSpec {
    /// The law.
    ///
    /// # Errors
    /// If it is no law: see [`Polygons::new`].
    pub fn law(&self) -> Result<Polygons, PolygonError> {
        let vertices = |polygon: &Vec<(f64, f64)>| polygon.iter().map(|&(x, y)| [x, y]).collect();
        Polygons::new(self.polygons.iter().map(vertices).collect())
    }
}

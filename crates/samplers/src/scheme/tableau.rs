/// An explicit Runge–Kutta method in Butcher's notation, with an embedded one that estimates its error.
pub(crate) struct Tableau {
    /// Rows of the matrix `A` below the diagonal.
    pub(crate) matrix: &'static [&'static [f64]],
    /// The weights `b` of the stages.
    pub(crate) weights: &'static [f64],
    /// The times `c` of the stages, in steps.
    pub(crate) nodes: &'static [f64],
    /// `b − b̂` with the weights `b̂` of the embedded method, or empty.
    pub(crate) error: &'static [f64],
    /// Whether the last stage is the first of the next step.
    pub(crate) first_same_as_last: bool,
    /// Weights of the stages in what a continuous extension adds to the cubic Hermite polynomial, or empty.
    pub(crate) extension: &'static [f64],
}

impl Tableau {
    /// Euler's method, order 1.
    pub(crate) const EULER: Self = Self {
        matrix: &[&[]],
        weights: &[1.0],
        nodes: &[0.0],
        error: &[],
        first_same_as_last: false,
        extension: &[],
    };

    /// Heun's method, order 2, with an estimate of order 1. Source: Heun, *Neue Methoden zur approximativen Integration
    /// der Differentialgleichungen einer unabhängigen Veränderlichen*, Z. Math. Phys. 45 (1900).
    pub(crate) const HEUN: Self = Self {
        matrix: &[&[], &[1.0]],
        weights: &[0.5, 0.5],
        nodes: &[0.0, 1.0],
        error: &[-0.5, 0.5],
        first_same_as_last: false,
        extension: &[],
    };

    /// The midpoint method, order 2. Source: Runge, *Über die numerische Auflösung von Differentialgleichungen*, Math.
    /// Ann. 46 (1895).
    pub(crate) const MIDPOINT: Self = Self {
        matrix: &[&[], &[0.5]],
        weights: &[0.0, 1.0],
        nodes: &[0.0, 0.5],
        error: &[],
        first_same_as_last: false,
        extension: &[],
    };

    /// The classical method of order 4. Source: Kutta, *Beitrag zur näherungsweisen Integration totaler
    /// Differentialgleichungen*, Z. Math. Phys. 46 (1901).
    pub(crate) const RUNGE_KUTTA_4: Self = Self {
        matrix: &[&[], &[0.5], &[0.0, 0.5], &[0.0, 0.0, 1.0]],
        weights: &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
        nodes: &[0.0, 0.5, 0.5, 1.0],
        error: &[],
        first_same_as_last: false,
        extension: &[],
    };

    /// Order 3 with an estimate of order 2. Source: Bogacki and Shampine, *A 3(2) pair of Runge–Kutta formulas*, Appl.
    /// Math. Lett. 2 (1989).
    pub(crate) const BOGACKI_SHAMPINE: Self = Self {
        matrix: &[&[], &[0.5], &[0.0, 0.75], &[2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0]],
        weights: &[2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0, 0.0],
        nodes: &[0.0, 0.5, 0.75, 1.0],
        error: &[2.0 / 9.0 - 7.0 / 24.0, 1.0 / 3.0 - 0.25, 4.0 / 9.0 - 1.0 / 3.0, -0.125],
        first_same_as_last: true,
        extension: &[],
    };

    /// Order 5 with an estimate of order 4. Source: Dormand and Prince, *A family of embedded Runge–Kutta formulae*, J.
    /// Comput. Appl. Math. 6 (1980).
    pub(crate) const DORMAND_PRINCE: Self = Self {
        matrix: &[
            &[],
            &[0.2],
            &[3.0 / 40.0, 9.0 / 40.0],
            &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
            &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
            &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
            &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
        ],
        weights: &[
            35.0 / 384.0,
            0.0,
            500.0 / 1113.0,
            125.0 / 192.0,
            -2187.0 / 6784.0,
            11.0 / 84.0,
            0.0,
        ],
        nodes: &[0.0, 0.2, 0.3, 0.8, 8.0 / 9.0, 1.0, 1.0],
        error: &[
            35.0 / 384.0 - 5179.0 / 57600.0,
            0.0,
            500.0 / 1113.0 - 7571.0 / 16695.0,
            125.0 / 192.0 - 393.0 / 640.0,
            -2187.0 / 6784.0 + 92097.0 / 339_200.0,
            11.0 / 84.0 - 187.0 / 2100.0,
            -0.025,
        ],
        first_same_as_last: true,
        // Source: Hairer, Nørsett and Wanner, *Solving ordinary differential equations I*, §II.6, after Shampine.
        extension: &[
            -12_715_105_075.0 / 11_282_082_432.0,
            0.0,
            87_487_479_700.0 / 32_700_410_799.0,
            -10_690_763_975.0 / 1_880_347_072.0,
            701_980_252_875.0 / 199_316_789_632.0,
            -1_453_857_185.0 / 822_651_844.0,
            69_997_945.0 / 29_380_423.0,
        ],
    };

    /// The number of stages.
    pub(crate) fn stages(&self) -> usize {
        self.weights.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_sum_to_their_nodes_and_weights_to_1() {
        for tableau in [
            Tableau::EULER,
            Tableau::HEUN,
            Tableau::MIDPOINT,
            Tableau::RUNGE_KUTTA_4,
            Tableau::BOGACKI_SHAMPINE,
            Tableau::DORMAND_PRINCE,
        ] {
            for (row, node) in tableau.matrix.iter().zip(tableau.nodes) {
                assert!((row.iter().sum::<f64>() - node).abs() < 1e-14);
            }
            assert!((tableau.weights.iter().sum::<f64>() - 1.0).abs() < 1e-14);
            assert!(tableau.error.iter().sum::<f64>().abs() < 1e-14);
        }
    }
}

use crate::{Element, NetworkError, ScoreNetwork};

/// The exponential moving average of a network's parameters over training steps.
///
/// After step `k = 1, 2, …`: `θ̄ ← β_k θ̄ + (1 − β_k) θ` with `β_k = min(β, k/(k + 9))`, so that the first steps are soon
/// forgotten. Source: Polyak and Juditsky, *Acceleration of stochastic approximation by averaging*, SIAM Journal on
/// Control and Optimization 30 (1992); the form is that of Song et al., ICLR 2021.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightAverage<E: Element> {
    decay: f64,
    step: u64,
    values: Vec<E>,
}

impl<E: Element> WeightAverage<E> {
    /// The average with decay `β`, before the first step.
    pub fn new(decay: f64) -> Self {
        Self { decay, step: 0, values: Vec::new() }
    }

    /// The average as it was after `step` steps.
    pub fn resume(decay: f64, step: u64, values: Vec<E>) -> Self {
        Self { decay, step, values }
    }

    /// Takes in the parameters after a step.
    pub fn update(&mut self, network: &ScoreNetwork<E>) {
        self.step += 1;
        let parameters = network.parameters();
        if self.values.len() != parameters.len() {
            self.values = parameters;
            return;
        }
        let step = self.step as f64;
        let keep = self.decay.min(step / (step + 9.0));
        let (keep, take) = (E::of(keep), E::of(1.0 - keep));
        for (value, parameter) in self.values.iter_mut().zip(parameters) {
            *value = keep * *value + take * parameter;
        }
    }

    /// The averages, laid out as the parameters; none before the first step.
    pub fn values(&self) -> &[E] {
        &self.values
    }

    /// The network with the averages for parameters.
    ///
    /// # Errors
    /// If the average is not one of this network.
    pub fn apply(&self, network: &ScoreNetwork<E>) -> Result<ScoreNetwork<E>, NetworkError> {
        let mut averaged = network.clone();
        averaged.set_parameters(&self.values)?;
        Ok(averaged)
    }
}

#[cfg(test)]
mod tests {
    use fokker_sde_core::Streams;

    use super::*;

    #[test]
    fn averages_follow_their_recursion_and_go_on() {
        let mut network = ScoreNetwork::<f64>::paper(Streams::new(0)).unwrap();
        let mut average = WeightAverage::new(0.8);
        assert!(average.apply(&network).is_err());
        let mut expected = 0.0;
        for step in 1..=60 {
            let value = f64::from(step).sin();
            network.set_parameters(&vec![value; network.parameter_count()]).unwrap();
            if step == 40 {
                average = WeightAverage::resume(0.8, 39, average.values().to_vec());
            }
            average.update(&network);
            let keep =
                if step == 1 { 0.0 } else { 0.8_f64.min(f64::from(step) / f64::from(step + 9)) };
            expected = keep * expected + (1.0 - keep) * value;
            assert!((average.values()[7] - expected).abs() < 1e-14);
        }
        assert_eq!(average.apply(&network).unwrap().parameters(), average.values());
    }
}

//! Our side of the comparison with POT in `benches/peers/transport.py`.
//!
//! `transport FIRST.npy SECOND.npy EXTENT` reads two histograms, flat or square arrays of f64 over nodes on
//! `[-EXTENT, EXTENT]²`, solves for `W₂²` three times or more in one thread, and prints the value and
//! the seconds of each as one line of JSON.

use std::error::Error;
use std::time::{Duration, Instant};

use fokker_metrics::{Grid, Histogram, squared_w2};
use ndarray::ArrayD;

/// The time to spend at least, after the first solution.
const WORK: Duration = Duration::from_millis(500);

fn histogram(path: &str, extent: f64) -> Result<Histogram, Box<dyn Error>> {
    let mass: ArrayD<f64> = ndarray_npy::read_npy(path)?;
    let nodes = mass.len().isqrt();
    let mass = mass.into_shape_with_order((nodes, nodes))?;
    Ok(Histogram::from_mass(Grid::square(nodes, extent)?, mass)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [first, second, extent] = &arguments[..] else {
        return Err("usage: transport FIRST.npy SECOND.npy EXTENT".into());
    };
    let extent = extent.parse()?;
    let (first, second) = (histogram(first, extent)?, histogram(second, extent)?);
    let mut value = squared_w2(&first, &second)?.distance.value;
    let (start, mut seconds) = (Instant::now(), Vec::new());
    while seconds.len() < 2 || start.elapsed() < WORK {
        let clock = Instant::now();
        value = squared_w2(&first, &second)?.distance.value;
        seconds.push(clock.elapsed().as_secs_f64());
    }
    println!("{}", serde_json::json!({ "value": value, "seconds": seconds }));
    Ok(())
}

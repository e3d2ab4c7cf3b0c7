//! Networks of every kind against finite differences: scores, jets, vector jets and the parameter gradients of their
//! losses, and layers of one's own.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::ops::Range;
use std::sync::Arc;

use fokker_score_net::{
    Activation, Architecture, Checkpoint, Derivatives, Element, FourierFeatures, Gradient, Head,
    Initial, Layer, LayerJet, Matrix, NetworkError, Output, Parameter, Prediction, ScoreNetwork,
    Sin, Softplus, Stack, TimeInput, VectorDerivatives, VectorJet,
};
use fokker_sde_core::{
    Diffusion, Edm, Jet, OrnsteinUhlenbeck, Potential, Purpose, Score, ScoreJet, Sde, SmoothScore,
    Streams, VariancePreserving,
};
use ndarray::{Array1, Array2, Array3};
use rand::RngExt;

/// Every activation, output, way to give the time, prediction and kind of layer, with the diffusion.
fn networks() -> Vec<(Architecture, Arc<dyn Sde>)> {
    let softplus = Activation::Softplus(Softplus::new(2.0).unwrap());
    let base = |dim| Architecture::potential(dim, vec![7, 6], softplus);
    let preconditioned = Prediction::Preconditioned { data_std: 0.8 };
    let fourier = Some(FourierFeatures { count: 9, scale: 0.6 });
    let mut all: Vec<(Architecture, Arc<dyn Sde>)> = Vec::new();
    for output in [Output::Potential, Output::Vector] {
        let base = |dim| Architecture { output, ..base(dim) };
        let activations = [
            softplus,
            Activation::Silu,
            Activation::Tanh,
            Activation::Sin(Sin::default()),
            Activation::Gelu,
        ];
        for activation in activations {
            all.push((Architecture { activation, ..base(2) }, Arc::new(OrnsteinUhlenbeck::PAPER)));
        }
        let times = [TimeInput::LogSigma, TimeInput::LogSnr, TimeInput::Fourier { pairs: 2 }];
        for time in times {
            all.push((Architecture { time, ..base(1) }, Arc::new(VariancePreserving::default())));
        }
        for prediction in [Prediction::Noise, Prediction::Data, preconditioned] {
            let architecture = Architecture { prediction, ..base(2) };
            all.push((architecture.clone(), Arc::new(OrnsteinUhlenbeck::PAPER)));
            all.push((architecture, Arc::new(Edm::new(3.0).unwrap())));
        }
        all.push((Architecture { fourier, ..base(3) }, Arc::new(OrnsteinUhlenbeck::PAPER)));
        let residual = Architecture { residual: true, hidden: vec![6, 6, 6], ..base(2) };
        all.push((residual.clone(), Arc::new(OrnsteinUhlenbeck::PAPER)));
        let time = TimeInput::LogSnr;
        let everything = Architecture { fourier, time, prediction: preconditioned, ..residual };
        all.push((everything, Arc::new(VariancePreserving::default())));
    }
    all
}

/// Points with times in the middle of `[0, T]`.
fn points(n: usize, dim: usize, sde: &dyn Sde) -> (Array1<f64>, Array2<f64>) {
    let mut rng = Streams::new(21).rng(Purpose::Evaluation, 0, 0);
    let horizon = sde.horizon().min(3.0);
    let t = Array1::from_shape_simple_fn(n, || horizon * rng.random_range(0.2..0.8));
    (t, Array2::from_shape_simple_fn((n, dim), || rng.random_range(-1.5..1.5)))
}

fn shifted(x: &Array2<f64>, axis: usize, h: f64) -> Array2<f64> {
    let mut x = x.clone();
    x.column_mut(axis).iter_mut().for_each(|x| *x += h);
    x
}

/// The central difference of order 4 of an array that depends on a shift.
fn slope<D: ndarray::Dimension>(
    h: f64,
    mut f: impl FnMut(f64) -> ndarray::Array<f64, D>,
) -> ndarray::Array<f64, D> {
    ((f(h) - f(-h)) * 8.0 - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h)
}

fn assert_close<'a>(
    case: &str,
    found: impl IntoIterator<Item = &'a f64>,
    expected: impl IntoIterator<Item = &'a f64>,
) {
    let pairs: Vec<_> = found.into_iter().zip(expected).collect();
    let scale = pairs.iter().fold(1e-3_f64, |m, (_, e)| m.max(e.abs()));
    let off = pairs.iter().fold(0.0_f64, |m, (f, e)| m.max((*f - *e).abs()));
    assert!(off < 1e-7 * scale, "{case}: {off:e} of {scale:e}");
}

fn scores(network: &ScoreNetwork<f64>, t: &Array1<f64>, x: &Array2<f64>) -> Array2<f64> {
    let mut all = Array2::zeros(x.raw_dim());
    for i in 0..t.len() {
        let x = x.row(i).insert_axis(ndarray::Axis(0));
        let out = all.row_mut(i).insert_axis(ndarray::Axis(0));
        network.score(t[i], x, out).unwrap();
    }
    all
}

#[test]
fn every_jet_agrees_with_finite_differences() {
    let h = 1e-3;
    for (architecture, sde) in networks() {
        let network =
            ScoreNetwork::<f64>::new(&architecture, sde.clone(), Streams::new(3)).unwrap();
        let (t, x) = points(6, architecture.dim, sde.as_ref());
        let case = format!("{architecture:?}");
        let s = scores(&network, &t, &x);
        let rate = slope(h, |h| scores(&network, &(&t + h), &x));
        let mut divergence = Array1::<f64>::zeros(t.len());
        for axis in 0..architecture.dim {
            divergence += &slope(h, |h| scores(&network, &t, &shifted(&x, axis, h))).column(axis);
        }
        let mut jet = ScoreJet::zeros(6, architecture.dim);
        network.score_jet(t.view(), x.view(), &mut jet).unwrap();
        assert_close(&case, &jet.score, &s);
        assert_close(&case, &jet.time_derivative, &rate);
        assert_close(&case, &jet.divergence, &divergence);
        if architecture.output == Output::Vector {
            check_vector_jet(&case, &network, &t, &x);
            continue;
        }
        let jet_at = |t: &Array1<f64>, x: &Array2<f64>| {
            let mut jet = Jet::zeros(6, architecture.dim);
            network.jet(t.view(), x.view(), &mut jet).unwrap();
            jet
        };
        let jet = jet_at(&t, &x);
        assert_close(&case, &jet.gradient, &s);
        assert_close(&case, &jet.laplacian, &divergence);
        assert_close(&case, &jet.time_derivative, &slope(h, |h| jet_at(&(&t + h), &x).value));
        for axis in 0..architecture.dim {
            let expected = slope(h, |h| jet_at(&t, &shifted(&x, axis, h)).value);
            assert_close(&case, jet.gradient.column(axis), &expected);
        }
    }
}

fn vector_jet(network: &ScoreNetwork<f64>, t: &Array1<f64>, x: &Array2<f64>) -> VectorJet<f64> {
    let mut all = VectorJet::zeros(x.nrows(), x.ncols());
    let mut keep = |_: Range<usize>, jet: &mut VectorJet<f64>| {
        all = jet.clone();
        0.0
    };
    let asked = VectorDerivatives::All;
    network.add_vector_loss(t.view(), x.view(), asked, &mut keep, None).unwrap();
    all
}

fn check_vector_jet(case: &str, network: &ScoreNetwork<f64>, t: &Array1<f64>, x: &Array2<f64>) {
    let h = 1e-3;
    let jet = vector_jet(network, t, x);
    let divergence = |x: &Array2<f64>| {
        let jet = vector_jet(network, t, x);
        Array1::from_shape_fn(t.len(), |i| jet.divergence(i))
    };
    for axis in 0..x.ncols() {
        let expected = slope(h, |h| scores(network, t, &shifted(x, axis, h)));
        let found = jet.jacobian.index_axis(ndarray::Axis(2), axis).to_owned();
        assert_close(case, &found, &expected);
        let expected = slope(h, |h| divergence(&shifted(x, axis, h)));
        assert_close(case, jet.divergence_gradient.column(axis), &expected);
    }
}

/// A loss in which every part of a potential's jet counts.
fn potential_loss<E: Element>(second: bool) -> impl FnMut(Range<usize>, &mut Jet<E>) -> f64 {
    move |_, jet| {
        let mut sum = 0.0;
        let mut square = |value: &mut E, weight: f64| {
            let wide = value.wide() - 0.2;
            sum += weight * wide * wide;
            *value = E::of(2.0 * weight * wide);
        };
        jet.gradient.iter_mut().for_each(|s| square(s, 1.0));
        if second {
            jet.value.iter_mut().for_each(|v| square(v, 0.3));
            jet.time_derivative.iter_mut().for_each(|v| square(v, 0.7));
            jet.laplacian.iter_mut().for_each(|v| square(v, 0.2));
        }
        sum
    }
}

/// The same for a vector score's.
fn vector_loss(all: bool) -> impl FnMut(Range<usize>, &mut VectorJet<f64>) -> f64 {
    move |_, jet| {
        let mut sum = 0.0;
        let mut square = |value: &mut f64, weight: f64| {
            let wide = *value - 0.2;
            sum += weight * wide * wide;
            *value = 2.0 * weight * wide;
        };
        jet.score.iter_mut().for_each(|v| square(v, 1.0));
        jet.time_derivative.iter_mut().for_each(|v| square(v, 0.7));
        jet.jacobian.iter_mut().for_each(|v| square(v, 0.4));
        if all {
            jet.divergence_gradient.iter_mut().for_each(|v| square(v, 0.2));
        }
        sum
    }
}

/// Every third trained parameter's derivative of a loss against a Richardson-extrapolated difference.
fn check_gradient(
    case: &str,
    network: &ScoreNetwork<f64>,
    loss: impl Fn(&ScoreNetwork<f64>, Option<&mut [f64]>) -> f64,
) {
    let mut gradient = Gradient::zeros(network);
    loss(network, Some(&mut gradient.0));
    let (parameters, mut other) = (network.parameters(), network.clone());
    let scale = gradient.0.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
    let mut from = 0;
    for parameter in network.description() {
        for index in (from..from + parameter.len()).step_by(3) {
            let mut at = |shift: f64| {
                let mut changed = parameters.clone();
                changed[index] += shift;
                other.set_parameters(&changed).unwrap();
                loss(&other, None)
            };
            let h = 1e-3;
            let difference = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
            let expected = if parameter.trained { difference } else { 0.0 };
            let off = (gradient.0[index] - expected).abs();
            assert!(
                off < 1e-6 * (0.1 * scale + expected.abs()),
                "{case}, {}: {off:e}",
                parameter.name
            );
        }
        from += parameter.len();
    }
}

#[test]
fn every_loss_has_the_gradient_of_finite_differences() {
    let mut rng = Streams::new(22).rng(Purpose::Evaluation, 0, 0);
    for (architecture, sde) in networks() {
        let network =
            ScoreNetwork::<f64>::new(&architecture, sde.clone(), Streams::new(4)).unwrap();
        let (t, x) = points(5, architecture.dim, sde.as_ref());
        let case = format!("{architecture:?}");
        if architecture.output == Output::Vector {
            for asked in [VectorDerivatives::First, VectorDerivatives::All] {
                check_gradient(&case, &network, |network, gradient| {
                    let loss = &mut vector_loss(asked == VectorDerivatives::All);
                    network.add_vector_loss(t.view(), x.view(), asked, loss, gradient).unwrap()
                });
            }
        }
        check_gradient(&case, &network, |network, gradient| {
            let loss = &mut potential_loss(false);
            let asked = Derivatives::Gradient;
            network.add_loss(t.view(), x.view(), asked, loss, gradient).unwrap()
        });
        if architecture.output == Output::Potential {
            let probes = Array3::from_shape_simple_fn((2, 5, architecture.dim), || {
                rng.random_range(-1.0..1.0)
            });
            for asked in [Derivatives::All, Derivatives::Along(probes.view())] {
                check_gradient(&case, &network, |network, gradient| {
                    let loss = &mut potential_loss(true);
                    network.add_loss(t.view(), x.view(), asked, loss, gradient).unwrap()
                });
            }
        }
    }
}

#[test]
fn laplacians_along_probes_are_unbiased() {
    // Rademacher probes: the mean over 4000 draws is within 5 standard errors, false-alarm rate 6e-7 for each of the
    // 8 points.
    let architecture = Architecture {
        prediction: Prediction::Preconditioned { data_std: 1.0 },
        ..Architecture::potential(5, vec![12, 12], Activation::Silu)
    };
    let sde = Arc::new(OrnsteinUhlenbeck::PAPER);
    let network = ScoreNetwork::<f32>::new(&architecture, sde.clone(), Streams::new(5)).unwrap();
    let (t, x) = points(8, 5, sde.as_ref());
    let (t, x) = (t.mapv(|t| t as f32), x.mapv(|x| x as f32));
    let laplacians = |derivatives: Derivatives<'_, f32>| {
        let mut found = Array1::zeros(8);
        let mut keep = |_: Range<usize>, jet: &mut Jet<f32>| {
            found.assign(&jet.laplacian.mapv(f64::from));
            0.0
        };
        network.add_loss(t.view(), x.view(), derivatives, &mut keep, None).unwrap();
        found
    };
    let exact = laplacians(Derivatives::All);
    let mut rng = Streams::new(6).rng(Purpose::Evaluation, 0, 0);
    let (mut sum, mut squares, draws) = (Array1::<f64>::zeros(8), Array1::<f64>::zeros(8), 4000);
    for _ in 0..draws {
        let probes =
            Array3::from_shape_simple_fn((1, 8, 5), || if rng.random() { 1.0 } else { -1.0 });
        let estimate = laplacians(Derivatives::Along(probes.view()));
        sum += &estimate;
        squares += &estimate.mapv(|e| e * e);
    }
    let n = f64::from(draws);
    for i in 0..8 {
        let mean = sum[i] / n;
        let error = ((squares[i] / n - mean * mean) / n).sqrt();
        assert!((mean - exact[i]).abs() < 5.0 * error + 1e-5, "{mean} ± {error} for {}", exact[i]);
        assert!(error > 1e-6);
    }
}

/// A layer of one's own: `h ∘ sin(W h) + V h`.
#[derive(Debug)]
struct Gated(usize);

impl<E: Element> Layer<E> for Gated {
    fn parameters(&self, inputs: usize) -> Vec<Parameter> {
        let initial = Initial::Normal { std: 0.5 };
        ["gate.weight", "value.weight"]
            .map(|name| Parameter {
                name: name.into(),
                shape: vec![self.0, inputs],
                initial,
                trained: true,
            })
            .into()
    }

    fn outputs(&self, _inputs: usize) -> usize {
        self.0
    }

    fn apply(
        &self,
        parameters: &[Matrix<E>],
        input: LayerJet<E>,
    ) -> Result<LayerJet<E>, NetworkError> {
        let (a, b) = input.twice();
        let gate = a.dense(&parameters[0], None, Some(Activation::Sin(Sin::default())))?;
        let (value, kept) = b.dense(&parameters[1], None, None)?.twice();
        value.times(gate)?.plus(kept.scale(0.5)?)
    }
}

#[test]
fn layers_of_ones_own_are_differentiated_like_the_others() {
    for (output, last) in [(Output::Potential, 1), (Output::Vector, 2)] {
        let head = Head { output, time: TimeInput::LogSigma, ..Head::potential(2) };
        let layers =
            Stack::<f64>(vec![Arc::new(Gated(5)), Arc::new(Gated(4)), Arc::new(Gated(last))]);
        let sde = Arc::new(OrnsteinUhlenbeck::PAPER);
        let network =
            ScoreNetwork::<f64>::of_layers(Arc::new(layers), head, sde.clone(), Streams::new(7))
                .unwrap();
        assert_eq!(network.description()[2].name, "1.gate.weight");
        let (t, x) = points(5, 2, sde.as_ref());
        let s = scores(&network, &t, &x);
        let mut jet = ScoreJet::zeros(5, 2);
        network.score_jet(t.view(), x.view(), &mut jet).unwrap();
        assert_close("own layers", &jet.score, &s);
        let rate = slope(1e-3, |h| scores(&network, &(&t + h), &x));
        assert_close("own layers", &jet.time_derivative, &rate);
        if output == Output::Vector {
            check_vector_jet("own layers", &network, &t, &x);
            check_gradient("own layers", &network, |network, gradient| {
                let (loss, all) = (&mut vector_loss(true), VectorDerivatives::All);
                network.add_vector_loss(t.view(), x.view(), all, loss, gradient).unwrap()
            });
        } else {
            check_gradient("own layers", &network, |network, gradient| {
                let (loss, all) = (&mut potential_loss(true), Derivatives::All);
                network.add_loss(t.view(), x.view(), all, loss, gradient).unwrap()
            });
        }
        let checkpoint =
            Checkpoint { network, diffusion: Diffusion::default(), standardisation: None };
        assert!(checkpoint.to_bytes().unwrap_err().to_string().contains("your own layers"));
    }
    let head = Head::potential(2);
    let sde = Arc::new(OrnsteinUhlenbeck::PAPER);
    let error = ScoreNetwork::<f64>::of_layers(Arc::new(Gated(3)), head, sde, Streams::new(0));
    assert_eq!(
        error.unwrap_err().to_string(),
        "the output of a layer has 3 units where 1 are needed"
    );
}

#[test]
fn checkpoints_hold_every_network() {
    for (architecture, _) in networks() {
        let diffusion = Diffusion::default();
        let sde = Arc::new(diffusion.clone());
        let network = ScoreNetwork::<f32>::new(&architecture, sde, Streams::new(8)).unwrap();
        let bytes = Checkpoint { network: network.clone(), diffusion, standardisation: None }
            .to_bytes()
            .unwrap();
        let read = Checkpoint::<f32>::from_bytes(&bytes).unwrap().network;
        assert_eq!(read.architecture(), network.architecture());
        assert_eq!(read.parameters(), network.parameters());
    }
}

#[test]
fn what_a_network_does_not_have_is_refused() {
    let sde = || Arc::new(OrnsteinUhlenbeck::PAPER);
    let vector = Architecture { output: Output::Vector, ..Architecture::paper() };
    let vector = ScoreNetwork::<f32>::new(&vector, sde(), Streams::new(0)).unwrap();
    let (t, x) = (Array1::zeros(3), Array2::zeros((3, 2)));
    let error = vector.jet(t.view(), x.view(), &mut Jet::zeros(3, 2)).unwrap_err().to_string();
    assert!(error.contains("no potential"), "{error}");
    let potential = ScoreNetwork::<f32>::paper(Streams::new(0)).unwrap();
    let (first, mut loss) =
        (VectorDerivatives::First, |_: Range<usize>, _: &mut VectorJet<f32>| 0.0);
    let error = potential.add_vector_loss(t.view(), x.view(), first, &mut loss, None).unwrap_err();
    assert_eq!(error, NetworkError::Output { needed: Output::Vector });
    let probes = Array3::zeros((1, 2, 2));
    let asked = Derivatives::Along(probes.view());
    let error = potential.add_loss(t.view(), x.view(), asked, &mut |_, _: &mut Jet<f32>| 0.0, None);
    assert!(error.unwrap_err().to_string().starts_with("array `probes`"));
    for (broken, reason) in [
        (
            Architecture { time: TimeInput::Fourier { pairs: 0 }, ..Architecture::paper() },
            "frequencies",
        ),
        (
            Architecture {
                prediction: Prediction::Preconditioned { data_std: 0.0 },
                ..Architecture::paper()
            },
            "standard deviation",
        ),
        (
            Architecture {
                fourier: Some(FourierFeatures { count: 0, scale: 1.0 }),
                ..Architecture::paper()
            },
            "width",
        ),
        (
            Architecture {
                fourier: Some(FourierFeatures { count: 4, scale: f64::NAN }),
                ..Architecture::paper()
            },
            "scale",
        ),
    ] {
        let error =
            ScoreNetwork::<f32>::new(&broken, sde(), Streams::new(0)).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

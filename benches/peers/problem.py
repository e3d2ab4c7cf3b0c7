"""What every peer computes: the setting of Deveney et al. (2025), in plain numbers.

Diffusion dX = −X dt + dW on [0, T]: X_t given X_0 is N(α X_0, σ² I) with α = e^{−t} and
σ² = ½ (1 − e^{−2t}). The network is φ(x, t) with input [t, x1, x2], hidden layers of 80, Softplus
with β = 100, and a scalar output; its score is s = ∇_x φ.

A training step draws fresh points, takes the gradient of

    L = mean over points and components of (s + z/σ)²  +  w_R · mean ε²,
    ε = φ_t − 2 − x·s − ½ |s|² − ½ Δφ,

and makes a step of Adam. Sampling solves, from t = T down in STEPS equal steps h,

    ODE: x ← x + h (x + ½ s(x, t)),     SDE: x ← x + h (x + s(x, t)) + √h z.
"""

import numpy

WIDTHS = [3, 80, 80, 80, 1]
BETA = 100.0
HORIZON = 10.0
T_MIN = 1e-5
BOX = 3.5
DENOISING_POINTS = 20_000
RESIDUAL_POINTS = 5_000
LEARNING_RATE = 1e-4
ADAM_BETAS = (0.9, 0.999)
ADAM_EPSILON = 1e-8
PARTICLES = 50_000
STEPS = 20
PRIOR_STD = 0.5**0.5

# The lower left corners of the eight squares of side 1.5 on which the data are uniform.
SIDE = 1.5
CORNERS = [
    (-3.0, -3.0), (0.0, -3.0), (-1.5, -1.5), (1.5, -1.5),
    (-3.0, 0.0), (0.0, 0.0), (-1.5, 1.5), (1.5, 1.5),
]  # fmt: skip


def parameters(seed=0):
    """Weights [out, in] and biases [out] of each layer, uniform on ±1/√in, as flat pairs."""
    rng = numpy.random.default_rng(seed)
    arrays = []
    for inputs, outputs in zip(WIDTHS, WIDTHS[1:]):
        bound = inputs**-0.5
        for shape in ((outputs, inputs), (outputs,)):
            arrays.append(rng.uniform(-bound, bound, shape).astype(numpy.float32))
    return arrays


def check_points(n=512, seed=1):
    """Points for the checks: t, x, and the score to match at them."""
    rng = numpy.random.default_rng(seed)
    t = rng.uniform(0.05, HORIZON, (n, 1))
    x = rng.uniform(-BOX, BOX, (n, 2))
    target = rng.standard_normal((n, 2))
    return [a.astype(numpy.float32) for a in (t, x, target)]


def relative_difference(found, expected):
    """|found − expected| / |expected| over all entries of two lists of arrays."""
    both = [numpy.concatenate([numpy.ravel(numpy.asarray(a)).astype(float) for a in s]) for s in (found, expected)]
    return float(numpy.linalg.norm(both[0] - both[1]) / numpy.linalg.norm(both[1]))

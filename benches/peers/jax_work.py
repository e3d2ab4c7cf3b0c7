"""Training steps and sampling in JAX, for any formulation of the gradients and the score.

Points are worked on in chunks that fit the cache; one call is one compiled program. Two devices
share the particles of the sampler. They are not used for training: summing the gradients over them was
no faster than one device (19 ms against 17 ms for 20 000 denoising points), and stalled for up to a
second whenever another process wanted a processor.
"""

import functools

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

import harness
import problem

# Points per chunk, by trial of 250 … 50 000 on two cores.
DENOISING_CHUNK = 4000
RESIDUAL_CHUNK = 2500
PARTICLES_PER_CHUNK = {1: 5000, 2: 2500}
# The default generator, Threefry, makes a training step on one device half as long again.
GENERATOR = "unsafe_rbg"


def draw_denoising(key, n):
    keys = jax.random.split(key, 4)
    t = problem.HORIZON * (1 - jnp.sqrt(jax.random.uniform(keys[0], (n, 1)))) + problem.T_MIN
    corners = jnp.array(problem.CORNERS)[jax.random.randint(keys[1], (n,), 0, 8)]
    data = corners + problem.SIDE * jax.random.uniform(keys[2], (n, 2))
    alpha, sigma = jnp.exp(-t), jnp.sqrt(-0.5 * jnp.expm1(-2 * t))
    z = jax.random.normal(keys[3], (n, 2))
    return t, alpha * data + sigma * z, -z / sigma


def draw_residual(key, n):
    uniform = jax.random.uniform(key, (n, 3))
    t = problem.T_MIN + (problem.HORIZON - problem.T_MIN) * uniform[:, :1]
    return t, problem.BOX * (2 * uniform[:, 1:] - 1)


def gradient_sum(gradient, draw, parameters, key, points, chunk):
    """The sum of the gradients over `points` points drawn chunk by chunk."""

    def add(total, key):
        found = list(gradient(parameters, *draw(key, chunk)))
        return [a + b for a, b in zip(total, found)], None

    zeros = [jnp.zeros_like(p) for p in parameters]
    return jax.lax.scan(add, zeros, jax.random.split(key, points // chunk))[0]


def adam(parameters, gradient, moments, step):
    b1, b2 = problem.ADAM_BETAS
    first = [b1 * m + (1 - b1) * g for m, g in zip(moments[0], gradient)]
    second = [b2 * v + (1 - b2) * g * g for v, g in zip(moments[1], gradient)]
    c1, c2 = 1 - b1**step, 1 - b2**step
    moved = [
        p - problem.LEARNING_RATE * (m / c1) / (jnp.sqrt(v / c2) + problem.ADAM_EPSILON)
        for p, m, v in zip(parameters, first, second)
    ]
    return moved, (first, second)


def training_step(with_residual, denoising, residual):
    n, m = problem.DENOISING_POINTS, problem.RESIDUAL_POINTS

    @jax.jit
    def step(parameters, moments, count, key):
        keys = jax.random.split(jax.random.fold_in(key, count))
        f = lambda *a: denoising(*a, n)[1]
        gradient = gradient_sum(f, draw_denoising, parameters, keys[0], n, DENOISING_CHUNK)
        if with_residual:
            f = lambda *a: residual(*a, 1.0, m)[1]
            more = gradient_sum(f, draw_residual, parameters, keys[1], m, RESIDUAL_CHUNK)
            gradient = [a + b for a, b in zip(gradient, more)]
        return adam(parameters, gradient, moments, count)

    parameters = [jnp.array(a) for a in problem.parameters()]
    zeros = [jnp.zeros_like(p) for p in parameters]
    state = [parameters, (zeros, zeros), 0]
    key = jax.random.key(0, impl=GENERATOR)

    def work():
        state[2] += 1
        state[:2] = step(state[0], state[1], jnp.int32(state[2]), key)
        jax.block_until_ready(state[:2])

    return work


def sampling(noisy, devices, score):
    n = PARTICLES_PER_CHUNK[devices]
    h, factor = problem.HORIZON / problem.STEPS, 1.0 if noisy else 0.5

    def sample(device, parameters, key):
        def chunk(key):
            start, path = jax.random.split(key)

            def step(k, x):
                t = jnp.full((1, 1), problem.HORIZON - k * h)
                x = x + h * (x + factor * score(parameters, t, x))
                if noisy:
                    x = x + h**0.5 * jax.random.normal(jax.random.fold_in(path, k), (n, 2))
                return x

            x = problem.PRIOR_STD * jax.random.normal(start, (n, 2))
            return jax.lax.fori_loop(0, problem.STEPS, step, x)

        key = jax.random.fold_in(key, device)
        return jax.lax.map(chunk, jax.random.split(key, problem.PARTICLES // devices // n))

    if devices == 1:
        compiled = jax.jit(functools.partial(sample, 0))
    else:
        mesh = jax.make_mesh((devices,), ("device",))
        share = lambda *arguments: sample(jax.lax.axis_index("device"), *arguments)
        specs = {"in_specs": PartitionSpec(), "out_specs": PartitionSpec("device")}
        compiled = jax.jit(jax.shard_map(share, mesh=mesh, check_vma=False, **specs))
    parameters = [jnp.array(a) for a in problem.parameters()]
    key = jax.random.key(0, impl=GENERATOR)
    return lambda: jax.block_until_ready(compiled(parameters, key))


def time(options, denoising, residual, score):
    work = {
        "step0": lambda: training_step(False, denoising, residual),
        "step1": lambda: training_step(True, denoising, residual),
        "ode": lambda: sampling(False, options.devices, score),
        "sde": lambda: sampling(True, options.devices, score),
    }[options.what]()
    harness.report(options, harness.repeat(work, options.seconds))

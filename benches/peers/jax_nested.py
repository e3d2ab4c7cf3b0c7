"""JAX as it is usually written: derivatives of derivatives, mapped over points."""

import jax
import jax.numpy as jnp

import problem


def potential(parameters, t, x):
    """φ at one point, t scalar and x [2]."""
    h = jnp.concatenate([t[None], x])
    for w, b in zip(parameters[:-2:2], parameters[1:-2:2]):
        h = jax.nn.softplus(problem.BETA * (w @ h + b)) / problem.BETA
    return (parameters[-2] @ h + parameters[-1])[0]


def score(parameters, t, x):
    return jax.vmap(jax.grad(potential, 2), (None, 0, 0))(parameters, t[:, 0], x)


def denoising_loss(parameters, t, x, y):
    return ((score(parameters, t, x) - y) ** 2).mean()


def residual_loss(parameters, t, x, weight):
    def epsilon(t, x):
        rate, s = jax.grad(potential, (1, 2))(parameters, t, x)
        at = lambda x: jax.grad(potential, 2)(parameters, t, x)
        laplacian = sum(jax.jvp(at, (x,), (e,))[1][k] for k, e in enumerate(jnp.eye(2)))
        return rate - 2 - x @ s - 0.5 * (s @ s) - 0.5 * laplacian

    return weight * (jax.vmap(epsilon)(t[:, 0], x) ** 2).mean()

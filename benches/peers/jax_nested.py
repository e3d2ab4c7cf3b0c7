"""JAX as it is usually written: derivatives of derivatives, mapped over points, compiled whole."""

import jax
import jax.numpy as jnp

import harness
import problem


def potential(parameters, t, x):
    """φ at one point, t scalar and x [2]."""
    h = jnp.concatenate([t[None], x])
    for w, b in zip(parameters[:-2:2], parameters[1:-2:2]):
        h = jax.nn.softplus(problem.BETA * (w @ h + b)) / problem.BETA
    return (parameters[-2] @ h + parameters[-1])[0]


def score(parameters, t, x):
    t = jnp.broadcast_to(t[:, 0], len(x))
    return jax.vmap(jax.grad(potential, 2), (None, 0, 0))(parameters, t, x)


def denoising_loss(parameters, t, x, y, points):
    return ((score(parameters, t, x) - y) ** 2).sum() / (2 * points)


def residual_loss(parameters, t, x, weight, points):
    """The Laplacian by forward over reverse."""

    def epsilon(t, x):
        rate, s = jax.grad(potential, (1, 2))(parameters, t, x)
        at = lambda x: jax.grad(potential, 2)(parameters, t, x)
        laplacian = sum(jax.jvp(at, (x,), (e,))[1][k] for k, e in enumerate(jnp.eye(2)))
        return rate - 2 - x @ s - 0.5 * (s @ s) - 0.5 * laplacian

    return weight * (jax.vmap(epsilon)(t[:, 0], x) ** 2).sum() / points


denoising = jax.value_and_grad(denoising_loss)
residual = jax.value_and_grad(residual_loss)


def check():
    """Against the Hessian's trace by reverse over reverse, and the gradients of that."""
    parameters = [jnp.array(a) for a in problem.parameters()]
    t, x, y = problem.check_points()
    n = len(t)

    def other_residual(parameters):
        def epsilon(t, x):
            rate, s = jax.grad(potential, (1, 2))(parameters, t, x)
            hessian = jax.jacrev(jax.jacrev(potential, 2), 2)(parameters, t, x)
            return rate - 2 - x @ s - 0.5 * (s @ s) - 0.5 * jnp.trace(hessian)

        return (jax.vmap(epsilon)(t[:, 0], x) ** 2).mean()

    def other_denoising(parameters):
        at = jax.vmap(jax.jacfwd(potential, 2), (None, 0, 0))(parameters, t[:, 0], x)
        return ((at - y) ** 2).mean()

    harness.check_losses(
        "jax nested",
        jax.jit(denoising)(parameters, t, x, y, n),
        jax.jit(residual)(parameters, t, x, 1.0, n),
        jax.value_and_grad(other_denoising)(parameters),
        jax.value_and_grad(other_residual)(parameters),
    )


if __name__ == "__main__":
    import jax_work

    options = harness.options(__doc__)
    if options.check:
        check()
    else:
        jax_work.time(options, denoising, residual, score)

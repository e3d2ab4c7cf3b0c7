"""PyTorch as it is usually written: nested autograd.

`autograd.grad` with `create_graph` gives ∇φ and φ_t, and once more each row of the Laplacian. With
`--whole` all points go through in one pass, as published code has it; without, in chunks.
"""

import torch

import harness
import problem

# Points per pass, by trial of 1000 … 20 000: fewer cost calls, more leave the cache.
CHUNK = 5000
RESIDUAL_CHUNK = 2500


def potential(parameters, t, x):
    h = torch.cat([t, x], 1)
    for w, b in zip(parameters[:-2:2], parameters[1:-2:2]):
        h = torch.nn.functional.softplus(torch.nn.functional.linear(h, w, b), beta=problem.BETA)
    return torch.nn.functional.linear(h, parameters[-2], parameters[-1])


def score(parameters, t, x, create_graph=False):
    x = x.detach().requires_grad_()
    phi = potential(parameters, t.expand(len(x), 1), x)
    return torch.autograd.grad(phi.sum(), x, create_graph=create_graph)[0]


def denoising_loss(parameters, t, x, y, points):
    errors = score(parameters, t, x, create_graph=True) - y
    return (errors * errors).sum() / (2 * points)


def residual_loss(parameters, t, x, weight, points):
    t, x = t.detach().requires_grad_(), x.detach().requires_grad_()
    phi = potential(parameters, t, x)
    rate, s = torch.autograd.grad(phi.sum(), (t, x), create_graph=True)
    rows = [torch.autograd.grad(s[:, k].sum(), x, create_graph=True)[0] for k in range(2)]
    laplacian = sum(row[:, k] for k, row in enumerate(rows))
    epsilon = rate[:, 0] - 2 - (x * s).sum(1) - 0.5 * (s * s).sum(1) - 0.5 * laplacian
    return weight * (epsilon * epsilon).sum() / points


def draw_denoising(n):
    t = problem.HORIZON * (1 - torch.rand(n, 1).sqrt()) + problem.T_MIN  # 1 − √U is Beta(1, 2)
    corners = torch.tensor(problem.CORNERS)[torch.randint(8, (n,))]
    data = corners + problem.SIDE * torch.rand(n, 2)
    alpha, sigma = torch.exp(-t), torch.sqrt(-0.5 * torch.expm1(-2 * t))
    z = torch.randn(n, 2)
    return t, alpha * data + sigma * z, -z / sigma


def draw_residual(n):
    t = problem.T_MIN + (problem.HORIZON - problem.T_MIN) * torch.rand(n, 1)
    return t, problem.BOX * (2 * torch.rand(n, 2) - 1)


def network():
    return [torch.from_numpy(a).requires_grad_() for a in problem.parameters()]


def training_step(weight, whole):
    parameters = network()
    chunk = problem.DENOISING_POINTS if whole else CHUNK
    residual_chunk = problem.RESIDUAL_POINTS if whole else RESIDUAL_CHUNK
    adam = torch.optim.Adam(parameters, lr=problem.LEARNING_RATE, fused=True)

    def step():
        adam.zero_grad()
        for _ in range(problem.DENOISING_POINTS // chunk):
            points = draw_denoising(chunk)
            denoising_loss(parameters, *points, problem.DENOISING_POINTS).backward()
        if weight > 0:
            for _ in range(problem.RESIDUAL_POINTS // residual_chunk):
                points = draw_residual(residual_chunk)
                residual_loss(parameters, *points, weight, problem.RESIDUAL_POINTS).backward()
        adam.step()

    return step


def sampling(noisy, whole):
    parameters = [a.detach() for a in network()]
    chunk = problem.PARTICLES if whole else CHUNK
    h = problem.HORIZON / problem.STEPS
    factor = 1.0 if noisy else 0.5

    def sample():
        for x in (problem.PRIOR_STD * torch.randn(problem.PARTICLES, 2)).split(chunk):
            for k in range(problem.STEPS):
                t = torch.full((1, 1), problem.HORIZON - k * h)
                x = x + h * (x + factor * score(parameters, t, x))
                if noisy:
                    x = x + h**0.5 * torch.randn_like(x)

    return sample


def value_and_gradient(loss, parameters, **options):
    gradient = torch.autograd.grad(loss, parameters, allow_unused=True, **options)
    gradient = [torch.zeros_like(p) if g is None else g for g, p in zip(gradient, parameters)]
    return loss.item(), [g.numpy() for g in gradient]


def check():
    """Against torch.func: forward over reverse, mapped over points."""
    from torch.func import grad, jacfwd, vmap

    parameters = network()
    t, x, y = (torch.from_numpy(a) for a in problem.check_points())

    def phi(t, x):
        return potential(parameters, t[None], x[None])[0, 0]

    s = vmap(grad(phi, 1))(t, x)
    rate = vmap(grad(phi))(t, x)[:, 0]
    laplacian = vmap(jacfwd(grad(phi, 1), 1))(t, x).diagonal(dim1=1, dim2=2).sum(1)
    epsilon = rate - 2 - (x * s).sum(1) - 0.5 * (s * s).sum(1) - 0.5 * laplacian
    n = len(t)
    harness.check_losses(
        "torch nested",
        value_and_gradient(denoising_loss(parameters, t, x, y, n), parameters),
        value_and_gradient(residual_loss(parameters, t, x, 1.0, n), parameters),
        value_and_gradient(((s - y) ** 2).mean(), parameters, retain_graph=True),
        value_and_gradient((epsilon**2).mean(), parameters),
    )


def main():
    options = harness.options(__doc__)
    torch.set_num_threads(options.threads)
    # Before the first parallel work: the threads of the pool start with the setting of this one.
    torch.set_flush_denormal(options.flush == "on")
    if options.check:
        return check()
    work = {
        "step0": lambda: training_step(0.0, options.whole),
        "step1": lambda: training_step(1.0, options.whole),
        "ode": lambda: sampling(False, options.whole),
        "sde": lambda: sampling(True, options.whole),
    }[options.what]()
    harness.report(options, harness.repeat(work, options.seconds))


if __name__ == "__main__":
    main()

import torch

import problem
def potential(parameters, t, x):
    h = torch.cat([t, x], 1)
    for w, b in zip(parameters[:-2:2], parameters[1:-2:2]):
        h = torch.nn.functional.softplus(h @ w.T + b, beta=problem.BETA)
    return h @ parameters[-2].T + parameters[-1]


def denoising_loss(parameters, t, x, y):
    x = x.detach().requires_grad_()
    phi = potential(parameters, t, x)
    (s,) = torch.autograd.grad(phi.sum(), x, create_graph=True)
    return ((s - y) ** 2).mean()


def residual_loss(parameters, t, x, weight):
    t, x = t.detach().requires_grad_(), x.detach().requires_grad_()
    phi = potential(parameters, t, x)
    rate, s = torch.autograd.grad(phi.sum(), (t, x), create_graph=True)
    laplacian = sum(
        torch.autograd.grad(s[:, k].sum(), x, create_graph=True)[0][:, k : k + 1] for k in range(2)
    )
    inner = (x * s).sum(1, keepdim=True) + 0.5 * (s * s).sum(1, keepdim=True)
    epsilon = rate - 2 - inner - 0.5 * laplacian
    return weight * (epsilon**2).mean()

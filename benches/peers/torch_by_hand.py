"""PyTorch at its best that we found: the derivatives of `by_hand`, compiled.

Points are worked on in chunks that fit the cache, each on one of a few Python threads; within a
chunk nothing is parallel. Found by trial, for 20 000 denoising points on two cores: chunks of 250 …
20 000 points; eager (66 ms) against compiled (26 ms, one thread with parallel kernels) against
compiled on two threads (18 ms to 23 ms); calls from Python against `cpp_wrapper`, which holds the
interpreter's lock for less time and is the faster, as are products by oneDNN.
"""

import collections
import concurrent.futures

import torch
import torch._inductor.config

import by_hand
import harness
import problem

CHUNK = 1000
PARTICLES_PER_CHUNK = 2500

torch._inductor.config.cpp_wrapper = True


def widest_products():
    """Lets oneDNN do the matrix products where that changes nothing but their speed.

    PyTorch leaves single-precision products to MKL, which uses 256-bit vectors on processors that
    are not Intel's. Allowing bfloat16 hands them to oneDNN, which rounds to bfloat16 only on
    processors with matrix units; elsewhere it computes in single precision, with 512-bit vectors
    where there are any. Whether it rounds is tried out here.
    """
    a, b = torch.rand(256, 80), torch.rand(80, 80)
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    error = (a @ b - (a.double() @ b.double())).abs().max()
    if error > 1e-4:  # a product of these is about 20; bfloat16 is off by 1e-2
        torch.backends.mkldnn.matmul.fp32_precision = "ieee"


def unflattened(flat):
    """The parameters as views into one vector."""
    parameters, start = [], 0
    for inputs, outputs in zip(problem.WIDTHS, problem.WIDTHS[1:]):
        for shape in ((outputs, inputs), (outputs,)):
            size = inputs * outputs if len(shape) == 2 else outputs
            parameters.append(flat[start : start + size].view(shape))
            start += size
    return parameters


def flattened(gradient):
    return torch.cat([g.reshape(-1) for g in gradient])


@torch.compile(dynamic=False)
def denoising_chunk(flat, corners, uniform, z):
    """The gradient at points made of uniform [n, 4] and normal [n, 2] numbers."""
    t = problem.HORIZON * (1 - uniform[:, :1].sqrt()) + problem.T_MIN  # 1 − √U is Beta(1, 2)
    data = corners[(8 * uniform[:, 1]).long()] + problem.SIDE * uniform[:, 2:]
    alpha, sigma = torch.exp(-t), torch.sqrt(-0.5 * torch.expm1(-2 * t))
    x, y = alpha * data + sigma * z, -z / sigma
    parameters = unflattened(flat)
    return flattened(by_hand.denoising(torch, parameters, t, x, y, problem.DENOISING_POINTS)[1])


@torch.compile(dynamic=False)
def residual_chunk(flat, uniform):
    """The gradient for w_R = 1 at points made of uniform [n, 3] numbers."""
    t = problem.T_MIN + (problem.HORIZON - problem.T_MIN) * uniform[:, :1]
    x = problem.BOX * (2 * uniform[:, 1:] - 1)
    parameters = unflattened(flat)
    return flattened(by_hand.residual(torch, parameters, t, x, 1.0, problem.RESIDUAL_POINTS)[1])


@torch.compile(dynamic=False)
def ode_step(flat, t, x, h):
    return x + h * (x + 0.5 * by_hand.score(torch, unflattened(flat), t, x))


@torch.compile(dynamic=False)
def sde_step(flat, t, x, h, z):
    return x + h * (x + by_hand.score(torch, unflattened(flat), t, x)) + h.sqrt() * z


def network():
    return torch.cat([torch.from_numpy(a).reshape(-1) for a in problem.parameters()])


class Workers:
    """A few threads that share the chunks of a piece of work, each with random numbers of its own."""

    def __init__(self, threads):
        self.pool = concurrent.futures.ThreadPoolExecutor(threads)
        self.generators = [torch.Generator().manual_seed(seed) for seed in range(threads)]

    def run(self, chunks, work):
        """The results of `work(generator, chunk)` for all chunks, in any order."""
        left = collections.deque(chunks)

        def thread(generator):
            results = []
            with torch.inference_mode():
                while left:
                    try:
                        chunk = left.popleft()
                    except IndexError:  # the other thread took the last one
                        break
                    results.append(work(generator, chunk))
            return results

        return [r for results in self.pool.map(thread, self.generators) for r in results]

    def compile(self, chunks, work):
        """Calls `work` for each kind of chunk here first: threads must not compile side by side."""
        with torch.inference_mode():
            for chunk in set(chunks):
                work(self.generators[0], chunk)


def training_step(with_residual, workers):
    flat, corners = network().requires_grad_(), torch.tensor(problem.CORNERS)
    adam = torch.optim.Adam([flat], lr=problem.LEARNING_RATE, fused=True)
    values = flat.detach()
    chunks = ["denoising"] * (problem.DENOISING_POINTS // CHUNK)
    if with_residual:
        chunks += ["residual"] * (problem.RESIDUAL_POINTS // CHUNK)

    def gradient(generator, chunk):
        if chunk == "residual":
            return residual_chunk(values, torch.rand(CHUNK, 3, generator=generator))
        uniform = torch.rand(CHUNK, 4, generator=generator)
        return denoising_chunk(values, corners, uniform, torch.randn(CHUNK, 2, generator=generator))

    workers.compile(chunks, gradient)

    def step():
        flat.grad = torch.stack(workers.run(chunks, gradient)).sum(0).clone()
        adam.step()

    return step


def sampling(noisy, workers):
    flat, h = network(), torch.tensor(problem.HORIZON / problem.STEPS)
    times = [torch.full((1, 1), problem.HORIZON * (1 - k / problem.STEPS)) for k in range(problem.STEPS)]

    def chunk(generator, n):
        normal = lambda: torch.randn(n, 2, generator=generator)
        x = problem.PRIOR_STD * normal()
        for t in times:
            x = sde_step(flat, t, x, h, normal()) if noisy else ode_step(flat, t, x, h)
        return x

    chunks = [PARTICLES_PER_CHUNK] * (problem.PARTICLES // PARTICLES_PER_CHUNK)
    workers.compile(chunks, chunk)
    return lambda: workers.run(chunks, chunk)


def check():
    """Against nested autograd."""
    import torch_nested

    points = [torch.from_numpy(a) for a in problem.check_points()]
    t, x, y = points
    parameters, n = unflattened(network()), len(t)
    nested = torch_nested.network()
    plain = lambda pair: (pair[0].item(), [g.numpy() for g in pair[1]])
    compiled = lambda f: torch.compile(f, dynamic=False)
    harness.check_losses(
        "torch by hand",
        plain(compiled(by_hand.denoising)(torch, parameters, t, x, y, n)),
        plain(compiled(by_hand.residual)(torch, parameters, t, x, 1.0, n)),
        torch_nested.value_and_gradient(torch_nested.denoising_loss(nested, t, x, y, n), nested),
        torch_nested.value_and_gradient(torch_nested.residual_loss(nested, t, x, 1.0, n), nested),
    )
    found = compiled(by_hand.score)(torch, parameters, t[:1], x)
    expected = torch_nested.score(nested, t[:1], x)
    harness.require("torch by hand, score", problem.relative_difference(found, expected), 1e-4)


def main():
    options = harness.options(__doc__)
    torch.set_num_threads(1)
    # Before any thread starts: new threads start with the setting of this one.
    torch.set_flush_denormal(options.flush == "on")
    widest_products()
    if options.check:
        return check()
    workers = Workers(options.threads)
    work = {
        "step0": lambda: training_step(False, workers),
        "step1": lambda: training_step(True, workers),
        "ode": lambda: sampling(False, workers),
        "sde": lambda: sampling(True, workers),
    }[options.what]()
    harness.report(options, harness.repeat(work, options.seconds))


if __name__ == "__main__":
    main()

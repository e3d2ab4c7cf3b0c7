"""The highest rate of single-precision matrix products that one thread reaches here, in GFLOP/s.

MKL is what PyTorch uses by default, oneDNN what `torch_by_hand.widest_products` makes it use; on
some processors they differ twofold. Prints one line of JSON.
"""

import json
import time

import torch

import torch_by_hand


def peak():
    best = 0.0
    for n in (512, 1024, 2048, 4096):
        a, b = torch.rand(n, n), torch.rand(n, n)
        a @ b
        for _ in range(max(3, (2048 // n) ** 3)):
            start = time.perf_counter()
            a @ b
            best = max(best, 2 * n**3 / (time.perf_counter() - start) / 1e9)
    return best


torch.set_num_threads(1)
torch.set_flush_denormal(True)
rates = {"MKL": peak()}
torch_by_hand.widest_products()
rates["oneDNN"] = peak()
print(json.dumps(rates))

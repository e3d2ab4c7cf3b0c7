"""POT's side: `transport_pot.py FIRST.npy SECOND.npy EXTENT` solves once with ot.emd2 and prints one line of JSON.

As one would use it: nodes without mass are left out, the matrix of costs is ready before the clock starts.
"""

import json
import math
import sys
import time

import numpy
import ot

first, second, extent = sys.argv[1], sys.argv[2], float(sys.argv[3])
masses = [numpy.load(name).ravel() for name in (first, second)]
masses = [mass / mass.sum() for mass in masses]
nodes = math.isqrt(masses[0].size)
x = numpy.linspace(-extent, extent, nodes)
places = numpy.stack([axis.ravel() for axis in numpy.meshgrid(x, x, indexing="ij")], 1)
used = [mass > 0 for mass in masses]
costs = ot.dist(places[used[0]], places[used[1]], "sqeuclidean")
start = time.perf_counter()
value = ot.emd2(masses[0][used[0]], masses[1][used[1]], costs, numItermax=10**9)
print(json.dumps({"value": float(value), "seconds": [time.perf_counter() - start]}))

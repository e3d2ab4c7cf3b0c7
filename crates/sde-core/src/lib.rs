//! Forward diffusions, their marginals and priors, target distributions, time grids and random streams.

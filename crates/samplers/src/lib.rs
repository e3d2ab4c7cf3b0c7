//! Reverse-time SDE and probability-flow ODE solvers over batches of particles.

//! Configuration, training, evaluation, run folders and figures.

pub mod figures;

//! Configuration, training, evaluation, run folders and figures.

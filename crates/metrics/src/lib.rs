//! Histograms and exact Wasserstein distances between them.

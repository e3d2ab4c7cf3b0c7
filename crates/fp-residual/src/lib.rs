//! The Fokker-Planck residual of a potential network, denoising score matching, and the training objective.

//! Score and potential networks in dfdx, their jets and checkpoints.

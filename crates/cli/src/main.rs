//! The fokker command line.

fn main() {}

//! Benchmarks of the fokker crates live in `benches/`; this library is empty.

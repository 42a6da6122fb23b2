//! What the demo, the tests and the benchmarks share: set-up and the processes of a box.

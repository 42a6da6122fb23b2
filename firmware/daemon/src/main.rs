//! `dragomand`, the real-time daemon between Asterisk's pipes and the engines.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: rt_sys::alloc::CountingAllocator = rt_sys::alloc::CountingAllocator;

fn main() -> ExitCode {
    dragomand::run()
}

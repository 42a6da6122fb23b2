//! An allocator that knows which threads must not allocate.
//!
//! The media thread enters [`forbid_in_this_thread`] once it is set up. From then on each allocation and each
//! free there is counted, and with [`abort_on_violation`] (tests) it ends the process with a message.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static VIOLATIONS: AtomicU64 = AtomicU64::new(0);
static ABORT: AtomicBool = AtomicBool::new(false);

thread_local! {
    // const-initialised and without a destructor: reading it never allocates.
    static FORBIDDEN: Cell<bool> = const { Cell::new(false) };
}

/// The system's allocator behind one door where violations are counted. Install it with `#[global_allocator]`.
pub struct CountingAllocator;

/// The calling thread neither allocates nor frees from now on.
pub fn forbid_in_this_thread() {
    FORBIDDEN.set(true);
}

/// The calling thread may allocate again, as it ends.
pub fn allow_in_this_thread() {
    FORBIDDEN.set(false);
}

/// Makes a violation end the process: for tests.
pub fn abort_on_violation() {
    ABORT.store(true, Ordering::Relaxed);
}

/// Whether a violation ends the process.
pub fn aborts_on_violation() -> bool {
    ABORT.load(Ordering::Relaxed)
}

/// Allocations and frees that happened where they are forbidden.
pub fn violations() -> u64 {
    VIOLATIONS.load(Ordering::Relaxed)
}

fn check() {
    if FORBIDDEN.get() {
        VIOLATIONS.fetch_add(1, Ordering::Relaxed);
        if ABORT.load(Ordering::Relaxed) {
            // A plain write: formatting might allocate and come back here.
            let text = b"allocation or free in a thread where both are forbidden\n";
            let _stderr_may_be_closed = rustix::io::write(rustix::stdio::stderr(), text);
            std::process::abort();
        }
    }
}

// SAFETY: every call is handed to `System` unchanged, which keeps the contract.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check();
        // SAFETY: the caller's promises are passed on as they are.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check();
        // SAFETY: the caller's promises are passed on as they are.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        check();
        // SAFETY: the caller's promises are passed on as they are.
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        check();
        // SAFETY: the caller's promises are passed on as they are.
        unsafe { System.dealloc(pointer, layout) }
    }
}

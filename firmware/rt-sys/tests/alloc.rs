//! The allocation trap, with the allocator really installed.

use std::process::Command;
use std::thread;

use rt_sys::alloc::{self, CountingAllocator};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const CHILD: &str = "ALLOC_TEST_CHILD";

fn allocate_where_it_is_forbidden() -> u64 {
    let forbidden = thread::spawn(|| {
        let before = alloc::violations();
        alloc::forbid_in_this_thread();
        drop(std::hint::black_box(Box::new(7)));
        alloc::allow_in_this_thread();
        alloc::violations() - before
    });
    forbidden.join().expect("the thread ends in order")
}

#[test]
fn an_allocation_and_its_free_are_counted_only_where_they_are_forbidden() {
    drop(std::hint::black_box(vec![1, 2, 3]));
    assert_eq!(allocate_where_it_is_forbidden(), 2);
}

#[test]
fn a_violation_can_end_the_process() {
    if std::env::var_os(CHILD).is_some() {
        alloc::abort_on_violation();
        allocate_where_it_is_forbidden();
        return;
    }
    let program = std::env::current_exe().expect("this test's own path");
    let child = Command::new(program)
        .args(["--exact", "a_violation_can_end_the_process", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("the test runs itself");
    assert!(!child.status.success());
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(said.contains("allocation or free in a thread where both are forbidden"), "{said}");
}

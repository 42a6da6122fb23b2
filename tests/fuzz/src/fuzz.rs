//! libFuzzer's own program around the target that `DRAGOMAN_FUZZ` names.

#![no_main]

use std::sync::LazyLock;

use dragoman_fuzz::Target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("DRAGOMAN_FUZZ").unwrap_or_default();
    dragoman_fuzz::target(&name).unwrap_or_else(|| panic!("DRAGOMAN_FUZZ names no target: \"{name}\""))
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    (TARGET.run)(input);
});

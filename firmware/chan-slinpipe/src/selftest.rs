//! Tests that need a running Asterisk, in its own framework: `test execute category /channels/chan_slinpipe/`.

mod call;
mod cases;

use std::ffi::CStr;

use crate::asterisk::{self as ast, c_string};

type Outcome = Result<(), String>;

/// Fails the test with the condition's own text.
macro_rules! check {
    ($condition:expr) => {
        if !$condition {
            return Err(format!("line {}: not so: {}", line!(), stringify!($condition)));
        }
    };
}
use check;

/// What `AST_TEST_DEFINE` is in C: a callback that describes the test or runs it.
macro_rules! asterisk_tests {
    ($($name:ident: $summary:literal),+ $(,)?) => {
        $(unsafe extern "C" fn $name(
            info: *mut ast::ast_test_info,
            command: ast::ast_test_command,
            test: *mut ast::ast_test,
        ) -> ast::ast_test_result_state {
            let name = concat!(stringify!($name), "\0");
            if command == ast::TEST_INIT {
                // SAFETY: Asterisk gives the description to fill in.
                unsafe { describe(info, name, concat!($summary, "\0")) };
                return ast::AST_TEST_NOT_RUN;
            }
            // SAFETY: Asterisk gives the running test.
            unsafe { conclude(test, cases::$name()) }
        })+

        const TESTS: &[Callback] = &[$($name),+];
    };
}

type Callback = unsafe extern "C" fn(
    *mut ast::ast_test_info,
    ast::ast_test_command,
    *mut ast::ast_test,
) -> ast::ast_test_result_state;

asterisk_tests! {
    a_request_makes_both_pipes: "A channel has its pipes from the request on and takes them along",
    bad_ids_are_refused: "An id that could leave the directory makes nothing",
    an_id_in_use_is_refused: "The second channel of an id is refused, the first lives",
    the_first_frame_answers: "A dialled channel rings, and answers with the first frame, which is heard",
    audio_from_the_caller_is_exact: "Frames of any length arrive whole and unchanged",
    other_formats_are_translated: "A caller's u-law arrives as SLIN16",
    a_full_pipe_drops_without_an_error: "Writing goes on when nobody reads; drops are counted",
    keys_make_no_sound: "A digit leaves no tone in the pipe",
    keys_are_told_to_the_daemon: "A digit is told to the daemon beside the pipes",
    tones_make_no_sound: "Asterisk's ringing and busy tones stay out of the pipe",
}

pub(crate) fn register() {
    for test in TESTS {
        // SAFETY: the callbacks are static and are unregistered before the module goes.
        unsafe { ast::ast_test_register(Some(*test)) };
    }
}

pub(crate) fn unregister() {
    for test in TESTS {
        // SAFETY: it was registered.
        unsafe { ast::ast_test_unregister(Some(*test)) };
    }
}

/// # Safety
/// `info` is what Asterisk gave for `TEST_INIT`; the texts end with NUL.
unsafe fn describe(info: *mut ast::ast_test_info, name: &'static str, summary: &'static str) {
    // SAFETY: the caller's promise; all texts are static.
    unsafe {
        (*info).name = name.as_ptr().cast();
        (*info).category = c"/channels/chan_slinpipe/".as_ptr();
        (*info).summary = summary.as_ptr().cast();
        (*info).description = summary.as_ptr().cast();
    }
}

/// # Safety
/// `test` is what Asterisk gave for `TEST_EXECUTE`.
unsafe fn conclude(test: *mut ast::ast_test, outcome: Outcome) -> ast::ast_test_result_state {
    let Err(reason) = outcome else { return ast::AST_TEST_PASS };
    let reason = c_string(reason);
    let [file, function] = [c"selftest.rs", c"conclude"].map(CStr::as_ptr);
    // SAFETY: the format takes one string, which outlives the call.
    unsafe { ast::__ast_test_status_update(file, function, 0, test, c"%s\n".as_ptr(), reason.as_ptr()) };
    ast::AST_TEST_FAIL
}

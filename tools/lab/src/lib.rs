//! What the demo, the tests and the benchmarks share: set-up and the processes of a box.
//!
//! - [`setup`] installs what a verb needs into the [`cache`] and stamps it, so that a later run only checks.
//! - [`prefix`] runs programs of the private Debian tree, [`process`] starts and stops any program.
//! - [`run_dir`] is where all of them keep their files.

pub mod appliance;
pub mod asterisk;
pub mod cache;
pub mod daemon;
pub mod engines;
pub mod interrupt;
pub mod prefix;
pub mod process;
pub mod programs;
pub mod run_dir;
pub mod setup;
pub mod speech;
pub mod transcribe;
pub mod whisper_ggml;

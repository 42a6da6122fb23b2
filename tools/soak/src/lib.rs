//! Many calls at once to a box with emulated engines, for as long as one likes, and what must hold meanwhile.

pub mod callers;
pub mod leftovers;
mod metrics;
pub mod place;
mod process;
mod report;
mod run;
pub mod speech;
mod told;
mod watch;

pub use report::Report;
pub use run::{Soak, run};
pub use watch::Look;

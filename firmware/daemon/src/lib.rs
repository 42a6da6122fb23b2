//! The real-time daemon between Asterisk's pipes and the engines.
//!
//! [`run`] is the whole program. A leg's way: [`watcher`] sees its pipes, the switchboard starts a task for it, which
//! opens the [`ports`], attaches them to the [`media`] thread and runs the room's session, with [`clients`] of the
//! engines. [`hub`] is what they share; [`control`] and the health page's
//! server tell the world.

pub mod apps;
pub mod asterisk;
pub mod clients;
pub mod config;
pub mod control;
mod daemon;
mod doors;
pub mod endpoint;
pub mod hub;
mod keys;
pub mod leg;
pub mod leg_name;
mod logging;
pub mod media;
mod memory;
pub mod ports;
pub mod recording;
pub mod report;
mod rooms;
mod supervision;
mod switchboard;
pub mod tally;
pub mod tap;
pub mod watcher;
mod web;

pub use daemon::run;

/// Parsers of foreign bytes that nobody else calls, to be fed with anything.
pub mod parsers {
    pub use crate::apps::{Asked as AppAsked, Request as AppRequest, parse as app_request};
    pub use crate::asterisk::parse as ari;
    pub use crate::control::command::parse as command;
    pub use crate::keys::parse as key;
    pub use crate::recording::Record;
    pub use crate::web::host::is_ours as is_our_host;
}

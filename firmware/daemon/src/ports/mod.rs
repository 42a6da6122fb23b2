//! How a leg's audio travels between the daemon and its phone.

pub mod pipe;

//! Many calls, bad networks, conferences and exhaustion, by callers that nobody here wrote and a real Asterisk.

mod bad_network;
mod conference;
mod exhausted;
mod registered;
mod soak;
mod strangers;

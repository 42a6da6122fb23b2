//! SIP over UDP without a socket or a clock: datagrams and instants in, datagrams and events out.

pub mod agent;
pub mod dialog;
pub mod digest;
pub mod ids;
pub mod status;
pub mod transaction;
pub mod wire;

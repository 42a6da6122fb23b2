//! A small SIP user agent to check a box from a laptop.
pub mod audio;
pub mod media;
pub mod sdp;
pub mod sip;

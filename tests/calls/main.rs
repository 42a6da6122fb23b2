//! The whole box with callers that nobody here wrote: real SIP, real Asterisk, real speech, real models.

mod between;
mod control;
mod flood;
mod interpreted;
mod keys;
mod killed;
mod newcomers;
mod outside;
mod rig;
mod together;
mod vanished;

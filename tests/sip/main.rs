//! Who may register and call: the shipped configuration in a real Asterisk, and strangers around it.

mod bursts;
mod guard;
mod lan;
mod malformed;
mod phones;
mod rig;
mod torture;
mod trunk;
mod wire;

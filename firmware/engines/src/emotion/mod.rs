//! How somebody speaks, one file a provider. Nobody waits for it.

pub mod hume;

//! tmp
pub(crate) fn register() {}
pub(crate) fn unregister() {}

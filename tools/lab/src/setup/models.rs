//! The models that the manifest names.

use anyhow::Result;

use super::{Missing, Part};
use crate::cache::Cache;

/// See the module.
pub(super) struct Models;

impl Part for Models {
    fn missing(&self, _cache: &Cache) -> Result<Option<Missing>> {
        Ok(None)
    }

    fn install(&self, _cache: &Cache) -> Result<()> {
        Ok(())
    }
}

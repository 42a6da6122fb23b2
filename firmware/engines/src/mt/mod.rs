//! Machine translation, one file a provider.

pub mod deepl;
pub mod libretranslate;

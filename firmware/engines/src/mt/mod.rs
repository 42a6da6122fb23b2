//! Machine translation, one file a provider.

pub mod libretranslate;

//! A voice as numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::unreadable;
use crate::Failure;

/// Numbers in a row of a voice.
const ROW: usize = 1024;
const ROWS_AT_MOST: usize = 64;
const EMBEDDING_AT_MOST: usize = 2048;

/// A voice, as the server describes it. It tells who someone is, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Speaker {
    /// The fields of a request that say who speaks. They are long: written once, not with every clause.
    fields: String,
}

impl Speaker {
    /// What it takes in memory.
    pub fn bytes(&self) -> usize {
        self.fields.len()
    }

    /// As they stand in a request, without braces.
    pub(super) fn fields(&self) -> &str {
        &self.fields
    }
}

impl fmt::Debug for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Speaker").finish_non_exhaustive()
    }
}

#[derive(Deserialize, Serialize)]
pub(super) struct Latents {
    speaker_embedding: Vec<f32>,
    gpt_cond_latent: Vec<Vec<f32>>,
}

impl Latents {
    pub(super) fn speaker(&self) -> Result<Speaker, Failure> {
        let Self { speaker_embedding: embedding, gpt_cond_latent: rows } = self;
        let sizes = (1..=EMBEDDING_AT_MOST).contains(&embedding.len())
            && (1..=ROWS_AT_MOST).contains(&rows.len())
            && rows.iter().all(|row| row.len() == ROW);
        if !sizes || !rows.iter().flatten().chain(embedding).all(|number| number.is_finite()) {
            return Err(unreadable("a voice is not one"));
        }
        let json = serde_json::to_string(self).map_err(|_| unreadable("a voice is not one"))?;
        Ok(Speaker { fields: json.trim_matches(['{', '}']).to_owned() })
    }
}

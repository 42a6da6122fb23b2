use engines::wyoming::{AudioFormat, Message, Synthesize, Voice};
use engines::{Failure, FailureKind};

use super::{Output, SpeakJob};
use crate::clients::connection::Pool;
use crate::clients::resample::Converter;
use crate::endpoint::Endpoint;

/// A leg's connections to one Wyoming server.
pub(super) struct Wyoming(Pool);

impl Wyoming {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self(Pool::new(endpoint))
    }

    pub(super) async fn warm(&self) {
        // Who cannot be reached now may be when he is needed; the first text tells.
        let _not_yet = self.0.warm().await;
    }

    pub(super) async fn speak(&self, job: &SpeakJob, output: &mut Output<'_>) -> Result<(), Failure> {
        let mut connection = self.0.take().await?;
        let voice = Voice { language: Some(job.language.to_string()), ..Voice::default() };
        let request = Synthesize { text: job.text.clone(), voice: Some(voice), ..Synthesize::default() };
        connection.send(request.into()).await?;
        let mut converter: Option<(AudioFormat, Converter)> = None;
        loop {
            match connection.receive().await? {
                Message::AudioStart(start) => converter = Some((start.format, Converter::new(start.format)?)),
                Message::AudioChunk(chunk) => {
                    let (format, converter) = match &mut converter {
                        Some(known) => known,
                        None => converter.insert((chunk.format, Converter::new(chunk.format)?)),
                    };
                    if *format != chunk.format {
                        let detail = "the speech changes its format midway";
                        return Err(Failure::new(FailureKind::Protocol, detail));
                    }
                    output.push(converter, &chunk.audio).await?;
                }
                Message::AudioStop(_) => {
                    if let Some((_, converter)) = converter {
                        output.finish(converter).await?;
                    }
                    self.0.put(connection);
                    return Ok(());
                }
                Message::Error(error) => return Err(Failure::new(FailureKind::Down, error.text)),
                _ => {}
            }
        }
    }
}

use engines::Failure;

use super::{Output, SpeakJob};
use crate::clients::speech::Exchange;

/// Passes on what the engine speaks of what it heard itself; other texts are another engine's.
pub(super) async fn speak(
    exchange: &Exchange,
    job: &SpeakJob,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let session = exchange.take_spoken(&job.text, job.language)?;
    while let Some(samples) = session.speech().await? {
        output.pass_on(samples).await?;
    }
    Ok(())
}

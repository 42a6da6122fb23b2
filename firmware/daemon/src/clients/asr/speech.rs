//! Recognition by an engine that also translates and speaks: it gives the whole text, which its translation and its
//! speech belong to, and nothing before.

use std::time::Duration;

use engines::Failure;
use tokio::time::Instant;

use super::{AsrInput, Ended, SPEECH_DEADLINE, Utterance, answer_by};
use crate::clients::speech::{Command, Exchange, Session};

/// How long the whole text may take after the last audio that was sent: a vendor takes it at its own pace.
const FALL_BACK_AFTER: Duration = Duration::from_secs(2);

/// Has the utterance recognised.
pub(super) async fn attempt(exchange: &Exchange, utterance: &mut Utterance) -> Result<(), Ended> {
    let sessions = exchange.take(utterance.languages).await?;
    for frame in &utterance.kept {
        both(&sessions, || Command::Audio(Box::new(*frame))).await?;
    }
    if utterance.finished().is_some() {
        both(&sessions, || Command::Finish).await?;
    }
    let began = Instant::now();
    loop {
        let finished = utterance.finished();
        let until = |sent: Instant| match finished {
            None => began + SPEECH_DEADLINE,
            Some(at) => answer_by(finished, sent.max(at).max(began), FALL_BACK_AFTER),
        };
        tokio::select! {
            input = utterance.input.recv(), if finished.is_none() => match input {
                Some(AsrInput::Audio(frame)) => {
                    utterance.keep(&frame);
                    both(&sessions, || Command::Audio(frame.clone())).await?;
                }
                Some(AsrInput::Finish) => {
                    utterance.finish();
                    both(&sessions, || Command::Finish).await?;
                }
                None => return Err(Ended::Unwanted),
            },
            understood = async {
                let [first, second] = &sessions;
                tokio::try_join!(first.understood(&until), second.understood(&until))
            } => {
                understood?;
                break;
            }
        }
    }
    let (text, language) = exchange.settle(sessions);
    let rest = utterance.joined(&text);
    utterance.text.push_str(&rest);
    utterance.language = language.or(utterance.language);
    Ok(())
}

async fn both(sessions: &[Session; 2], command: impl Fn() -> Command) -> Result<(), Failure> {
    for session in sessions {
        session.tell(command()).await?;
    }
    Ok(())
}

//! Recognition by an engine that also translates and speaks: it gives the whole text, which its translation and its
//! speech belong to, and nothing before.

use std::time::Duration;

use engines::Failure;

use super::{AsrInput, Ended, Utterance};
use crate::clients::speech::{Command, Exchange, Session};

/// How long the engine may give no sign of life after the last audio.
const ANSWER_DEADLINE: Duration = Duration::from_secs(2);
/// How long it may while somebody speaks: a dead line is noticed before.
const SPEECH_DEADLINE: Duration = Duration::from_secs(40);

/// Has the utterance recognised.
pub(super) async fn attempt(exchange: &Exchange, utterance: &mut Utterance) -> Result<(), Ended> {
    let sessions = exchange.take(utterance.languages).await?;
    for frame in &utterance.kept {
        both(&sessions, || Command::Audio(Box::new(*frame))).await?;
    }
    if utterance.finished {
        both(&sessions, || Command::Finish).await?;
    }
    loop {
        let patience = if utterance.finished { ANSWER_DEADLINE } else { SPEECH_DEADLINE };
        tokio::select! {
            input = utterance.input.recv(), if !utterance.finished => match input {
                Some(AsrInput::Audio(frame)) => {
                    utterance.keep(&frame);
                    both(&sessions, || Command::Audio(frame.clone())).await?;
                }
                Some(AsrInput::Finish) => {
                    utterance.finished = true;
                    both(&sessions, || Command::Finish).await?;
                }
                None => return Err(Ended::Unwanted),
            },
            understood = async {
                let [first, second] = &sessions;
                tokio::try_join!(first.understood(patience), second.understood(patience))
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

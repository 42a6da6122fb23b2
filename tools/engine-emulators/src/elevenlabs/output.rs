//! What the vendor sends.

use std::time::Duration;

use axum::Error;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};

use super::Connection;
use super::input::{Order, Refusal};
use crate::Fault;
use crate::http::{PACE, PIECE, bytes_in};
use crate::language::guess;
use crate::script::message_of;

/// A close frame has no room for more, bytes.
const REASON_AT_MOST: usize = 123;

/// The sending half of a connection.
pub(super) struct Output<'a> {
    connection: &'a Connection,
    sink: &'a mut SplitSink<WebSocket, Message>,
    rate: u32,
    sent: usize,
    begun: bool,
}

impl<'a> Output<'a> {
    pub(super) fn new(connection: &'a Connection, sink: &'a mut SplitSink<WebSocket, Message>) -> Self {
        let rate = connection.asked.rate(&connection.voice).unwrap_or(16_000);
        Self { connection, sink, rate, sent: 0, begun: false }
    }

    /// Carries out the orders until the connection is to be closed.
    pub(super) async fn speak(
        &mut self,
        orders: &mut UnboundedReceiver<(Instant, Order)>,
    ) -> Result<(), Error> {
        while let Some((asked, order)) = orders.recv().await {
            if self.connection.fault == Some(Fault::Silence) {
                continue;
            }
            match order {
                Order::Wait => {}
                Order::Say(text) => {
                    if self.say(asked, &text).await?.is_break() {
                        return Ok(());
                    }
                }
                Order::End(text) => {
                    if self.say(asked, &text).await?.is_continue() {
                        self.message(&answer(&Value::Null, true)).await?;
                        self.close(1000, "").await?;
                    }
                    return Ok(());
                }
                Order::Refuse(refusal) => return self.refuse(&refusal).await,
            }
        }
        Ok(())
    }

    async fn say(&mut self, asked: Instant, text: &str) -> Result<std::ops::ControlFlow<()>, Error> {
        // When the quota is spent the vendor speaks nothing, and tells so by nothing else.
        let spent = matches!(self.connection.fault, Some(Fault::Refuse { .. }));
        if text.trim().is_empty() || spent {
            return Ok(std::ops::ControlFlow::Continue(()));
        }
        let world = &self.connection.world;
        let due = asked + world.draw(world.delays.tts) + self.late();
        let language = self.connection.asked.language_code.as_deref().unwrap_or_else(|| guess(text));
        let speech = match world.voices.speak(text.trim(), language).await {
            Ok(speech) => speech.at(self.rate).to_bytes(),
            Err(error) => {
                log::warn!("cannot speak: {error}");
                self.close(1011, "We are sorry, something went wrong.").await?;
                return Ok(std::ops::ControlFlow::Break(()));
            }
        };
        let mut due = due.max(Instant::now());
        sleep_until(due).await;
        self.begin().await?;
        for piece in speech.chunks(bytes_in(PIECE, self.rate)) {
            sleep_until(due).await;
            self.message(&answer(&BASE64_STANDARD.encode(piece).into(), false)).await?;
            due += PACE;
            self.sent += piece.len();
            if let Some(Fault::Close { code, reason, after }) = &self.connection.fault
                && self.sent >= bytes_in(*after, self.rate)
            {
                self.close(*code, reason).await?;
                return Ok(std::ops::ControlFlow::Break(()));
            }
        }
        Ok(std::ops::ControlFlow::Continue(()))
    }

    fn late(&self) -> Duration {
        match self.connection.fault {
            Some(Fault::Late(delay)) if !self.begun => delay,
            _ => Duration::ZERO,
        }
    }

    /// Lets the fault happen that comes with the first answer.
    async fn begin(&mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        match &self.connection.fault {
            Some(Fault::Garbage(pieces)) => {
                for piece in pieces {
                    self.sink.send(message_of(piece)).await?;
                }
                Ok(())
            }
            Some(Fault::Flood { most }) => {
                let audio = "A".repeat(*most as usize);
                self.message(&answer(&audio.into(), false)).await
            }
            _ => Ok(()),
        }
    }

    async fn refuse(&mut self, Refusal { error, words }: &Refusal) -> Result<(), Error> {
        let tally = &self.connection.world.tally;
        tally.count(|counts| counts.refused += 1);
        tally.violation(format!("1008: {error}: {words}"));
        self.message(&json!({"message": words, "error": error, "code": 1008})).await?;
        self.close(1008, words).await
    }

    async fn message(&mut self, value: &Value) -> Result<(), Error> {
        self.sink.send(Message::text(value.to_string())).await
    }

    async fn close(&mut self, code: u16, reason: &str) -> Result<(), Error> {
        let ends = reason.char_indices().map(|(at, c)| at + c.len_utf8());
        let end = ends.take_while(|end| *end <= REASON_AT_MOST).last().unwrap_or_default();
        let reason = &reason[..end];
        self.sink.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await
    }
}

fn answer(audio: &Value, is_final: bool) -> Value {
    let is_final = is_final.then_some(true);
    json!({"audio": audio, "isFinal": is_final, "normalizedAlignment": null, "alignment": null})
}

//! One call of a program: dial or answer, run a script, hang up, report.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use serde::Serialize;

use super::{CLOSING, Event, Phone, Wish, display_script};
use crate::media::codec::Codec;
use crate::media::script::{ScriptEvent, Step};
use crate::media::session::{AudioOptions, Ports, Session};
use crate::media::stream::Stream;
use crate::media::ticker::MediaEvent;
use crate::report::{CallReport, Times};
use crate::sdp::{LocalMedia, Negotiated};
use crate::sip::agent::{AgentEvent, EndedBy};
use crate::sip::ids::IdSource;

/// How often a wait looks at both sides of a call.
const LOOK: Duration = Duration::from_millis(20);

/// A call that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connected {
    /// Codec agreed on.
    pub codec: Codec,
    /// When it was answered.
    pub at: Instant,
}

/// How a script came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptEnd {
    /// All steps are done.
    Finished,
    /// A reply was waited for and did not begin.
    NoReply,
    /// The call ended first.
    CallEnded,
    /// [`Call::run_until`] was told to stop.
    Stopped,
}

/// A call, from dialling to its report. Dropping it hangs up without waiting.
pub struct Call<'a> {
    phone: &'a Phone,
    target: String,
    ports: Ports,
    audio: AudioOptions,
    session: Option<Session>,
    media_events: Receiver<MediaEvent>,
    tell: Sender<MediaEvent>,
    dialled: Instant,
    connected: Option<Connected>,
    ended: Option<(EndedBy, Instant)>,
}

impl<'a> Call<'a> {
    pub(super) fn dial(
        phone: &'a Phone,
        target: &str,
        codecs: &[Codec],
        audio: AudioOptions,
    ) -> Result<Self> {
        let call = Self::new(phone, target.to_owned(), audio)?;
        let (refused, answer) = mpsc::channel();
        phone.signalling.wish(Wish::Invite(target.to_owned(), call.media(codecs), refused));
        answer
            .recv()
            .map_err(|_| anyhow!("the signalling thread has died"))?
            .map_err(|words| anyhow!(words))?;
        Ok(call)
    }

    pub(super) fn answer(
        phone: &'a Phone,
        from: String,
        codecs: &[Codec],
        audio: AudioOptions,
    ) -> Result<Self> {
        let call = Self::new(phone, from, audio)?;
        phone.signalling.wish(Wish::Answer(call.media(codecs)));
        Ok(call)
    }

    fn new(phone: &'a Phone, target: String, audio: AudioOptions) -> Result<Self> {
        let (tell, media_events) = mpsc::channel();
        Ok(Self {
            phone,
            target,
            ports: Ports::open(phone.ip)?,
            audio,
            session: None,
            media_events,
            tell,
            dialled: Instant::now(),
            connected: None,
            ended: None,
        })
    }

    fn media(&self, codecs: &[Codec]) -> LocalMedia {
        LocalMedia { address: self.ports.address(), codecs: codecs.to_vec() }
    }

    /// What was dialled, or who called.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Waits until the call is answered. After `ring_at_most` it is cancelled.
    ///
    /// # Errors
    /// One line that says what to do when the call is refused, not answered, or the sound card does not open.
    pub fn wait_connected(&mut self, ring_at_most: Duration) -> Result<Connected> {
        self.wait_connected_until(ring_at_most, || false)
    }

    /// As [`wait_connected`](Self::wait_connected), and cancelled as soon as `stop` says so.
    ///
    /// # Errors
    /// As above.
    pub fn wait_connected_until(
        &mut self,
        ring_at_most: Duration,
        mut stop: impl FnMut() -> bool,
    ) -> Result<Connected> {
        let mut deadline = Instant::now() + ring_at_most;
        let mut cancelled = None;
        while self.connected.is_none() {
            let stopped = stop();
            if cancelled.is_none() && (stopped || Instant::now() >= deadline) {
                cancelled = Some(if stopped { "cancelled" } else { "nobody answered" });
                self.phone.signalling.wish(Wish::HangUp);
                deadline = Instant::now() + CLOSING;
            } else if Instant::now() >= deadline {
                bail!("{}: the box answers nothing: is it on, is this its SIP address?", self.target);
            }
            match self.phone.agent_events.recv_timeout(LOOK) {
                Ok(AgentEvent::Failed { message, .. }) => {
                    self.ended = Some((EndedBy::Remote, Instant::now()));
                    match cancelled {
                        Some(why) => bail!("{}: {why}", self.target),
                        None => bail!(message),
                    }
                }
                Ok(AgentEvent::Ended(by)) => {
                    self.ended = Some((by, Instant::now()));
                    bail!(
                        "{}: {}",
                        self.target,
                        cancelled.unwrap_or("the call ended before it was answered")
                    );
                }
                Ok(event) => self.on_agent_event(event)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("the signalling thread has died"),
            }
        }
        self.connected.ok_or_else(|| anyhow!("not connected"))
    }

    fn on_agent_event(&mut self, event: AgentEvent) -> Result<()> {
        match event {
            AgentEvent::EarlyMedia(agreed) | AgentEvent::MediaChanged(agreed) => self.take_media(agreed)?,
            AgentEvent::Connected(agreed) => {
                self.connected = Some(Connected { codec: agreed.codec, at: Instant::now() });
                self.take_media(agreed)?;
            }
            AgentEvent::Ended(by) => self.ended = Some((by, Instant::now())),
            _ => {}
        }
        Ok(())
    }

    /// Starts the audio, or changes it.
    fn take_media(&mut self, agreed: Negotiated) -> Result<()> {
        if let Some(session) = &self.session {
            session.renegotiate(agreed);
            return Ok(());
        }
        let mut ids = IdSource::from_os()?;
        let seed = [ids.number(), ids.number(), ids.number()];
        let stream = Stream::new(agreed, self.audio.jitter, seed);
        let (tell, display) = (self.tell.clone(), self.phone.display.clone());
        let notify = move |event: MediaEvent| {
            let shown = match &event {
                MediaEvent::Script(event) => display_script(event),
                MediaEvent::Key(key) => Some(Event::Key { key: *key }),
            };
            // Nobody may be looking, which is no fault.
            if let Some(shown) = shown {
                let _ = display.send(shown);
            }
            let _ = tell.send(event);
        };
        self.session = Some(Session::start(&self.ports, stream, self.audio.clone(), notify)?);
        Ok(())
    }

    /// Carries out `steps` and waits for their end. A last step [`Step::HangUp`] hangs up.
    ///
    /// # Errors
    /// When the call was never answered, or a thread died of a bug.
    pub fn run(&mut self, steps: Vec<Step>) -> Result<ScriptEnd> {
        self.run_until(steps, || false)
    }

    /// As [`run`](Self::run), and stops as soon as `stop` says so.
    ///
    /// # Errors
    /// As above.
    pub fn run_until(&mut self, steps: Vec<Step>, mut stop: impl FnMut() -> bool) -> Result<ScriptEnd> {
        let session = self.session.as_ref().ok_or_else(|| anyhow!("{}: the call is not up", self.target))?;
        session.run(steps);
        loop {
            if stop() {
                return Ok(ScriptEnd::Stopped);
            }
            match self.media_events.recv_timeout(LOOK) {
                Ok(MediaEvent::Script(ScriptEvent::Finished)) => return Ok(ScriptEnd::Finished),
                Ok(MediaEvent::Script(ScriptEvent::NoReply)) => return Ok(ScriptEnd::NoReply),
                Ok(MediaEvent::Script(ScriptEvent::HangUp)) => {
                    self.phone.signalling.wish(Wish::HangUp);
                    return Ok(ScriptEnd::Finished);
                }
                Ok(_) | Err(_) => {}
            }
            while let Ok(event) = self.phone.agent_events.try_recv() {
                self.on_agent_event(event)?;
            }
            if self.ended.is_some() {
                return Ok(ScriptEnd::CallEnded);
            }
        }
    }

    /// Presses keys beside a running script.
    pub fn press(&self, keys: &str) {
        if let Some(session) = &self.session {
            session.press(keys);
        }
    }

    /// Ends the call, if it is still up, and reports.
    ///
    /// # Errors
    /// When the call was never answered, or a thread died of a bug.
    pub fn hang_up(mut self) -> Result<CallReport> {
        let connected =
            self.connected.ok_or_else(|| anyhow!("{}: the call was never answered", self.target))?;
        let session = self.session.take().ok_or_else(|| anyhow!("{}: the call has no audio", self.target))?;
        if self.ended.is_none() {
            self.phone.signalling.wish(Wish::HangUp);
        }
        let deadline = Instant::now() + CLOSING;
        while self.ended.is_none() {
            match self.phone.next_event(deadline) {
                Ok(AgentEvent::Ended(by)) => self.ended = Some((by, Instant::now())),
                Ok(AgentEvent::Failed { .. }) => self.ended = Some((EndedBy::Remote, Instant::now())),
                Ok(_) => {}
                // The BYE is not confirmed: the other side is gone.
                Err(_) => self.ended = Some((EndedBy::Timeout, Instant::now())),
            }
        }
        let (ended_by, ended) = self.ended.unwrap_or((EndedBy::Local, Instant::now()));
        let outcome = session.stop()?;
        let times = Times { dialled: self.dialled, connected: connected.at, ended };
        CallReport::new(std::mem::take(&mut self.target), connected.codec, times, ended_by, outcome)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.phone.signalling.wish(Wish::HangUp);
        }
    }
}

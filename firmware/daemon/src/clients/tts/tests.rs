//! A worker that dies in the midst of a text.

use std::sync::atomic::{AtomicUsize, Ordering};

use engines::wyoming::{AudioChunk, AudioFormat, AudioStart, AudioStop, Decoder, Limits, Message};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::clients::role;
use crate::clients::tests::{engine, unheard};
use crate::endpoint::Endpoint;

/// Serves one who has texts spoken: a tenth of a second each.
async fn speaks(listener: TcpListener) {
    let (mut tcp, _) = listener.accept().await.unwrap();
    let (mut decoder, mut buffer) = (Decoder::new(Limits::default()), [0; 4_096]);
    while let Ok(read @ 1..) = tcp.read(&mut buffer).await {
        decoder.push(&buffer[..read]);
        while let Ok(Some(event)) = decoder.next_event() {
            if !matches!(Message::from_event(event), Ok(Message::Synthesize(_))) {
                continue;
            }
            let (format, timestamp) = (AudioFormat::SLIN16, None);
            let audio = vec![0; 3_200];
            let mut wire = Vec::new();
            Message::from(AudioStart { format, timestamp }).into_event().encode(&mut wire);
            Message::from(AudioChunk { format, timestamp, audio }).into_event().encode(&mut wire);
            Message::from(AudioStop { timestamp }).into_event().encode(&mut wire);
            tcp.write_all(&wire).await.unwrap();
        }
    }
}

/// A leg whose first workers, so many of them, die of each text: they do not know how to ask the engine that is left.
struct Leg {
    jobs: mpsc::Sender<Ask>,
    answers: mpsc::Receiver<Answer>,
    stage: Arc<Stage<Tts>>,
}

impl Leg {
    async fn new(dying: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let speaker = Endpoint::Tcp("127.0.0.1".into(), listener.local_addr().unwrap().port());
        tokio::spawn(speaks(listener));
        let chain = [engine("cloud", Tts::Speech(unheard())), engine("device", Tts::Wyoming(speaker))];
        let stage = Stage::new("tts", &chain, |_| role(true, false));
        let ((jobs, queue), (told, answers)) = (mpsc::channel(MOST_JOBS), mpsc::channel(MOST_JOBS));
        let part = Arc::clone(&stage);
        tokio::spawn(async move {
            let transport = Transport::new().unwrap();
            let exchanges = Exchanges::of([&unheard()], &transport);
            let (lives, line) = (AtomicUsize::new(0), Arc::new(Line::new(&part)));
            let worker = || {
                let known = if lives.fetch_add(1, Ordering::Relaxed) < dying { 1 } else { 2 };
                let backend = |provider| Backend::new(provider, &transport, &exchanges);
                Worker {
                    line: Arc::clone(&line),
                    hosts: vec![None, None],
                    backends: part.providers().take(known).map(backend).collect(),
                    answers: told.clone(),
                    unwanted: Arc::default(),
                    playing_until: Timestamp::default(),
                }
            };
            serve(&part.workers, worker, &told, queue).await;
        });
        Self { jobs, answers, stage }
    }

    fn say(&self, segments: impl IntoIterator<Item = u32>) {
        for segment in segments.into_iter().map(SegmentId) {
            let job = SpeakJob::of_machine(segment, "a secret", "en".parse().unwrap());
            self.jobs.try_send(Ask::Speak(job, Instant::now())).unwrap();
        }
    }

    /// The next text whose speech is over, and why that is not whole.
    async fn over(&mut self) -> (u32, Option<String>) {
        loop {
            match self.answers.recv().await.expect("the leg is served") {
                Answer::SpeechComplete { segment } => return (segment.0, None),
                Answer::NotSpoken { segment, reason } => return (segment.0, Some(reason)),
                _ => {}
            }
        }
    }

    async fn is_not_spoken(&mut self, segment: u32, why: &str) {
        let (whose, reason) = self.over().await;
        let reason = reason.expect("it is not spoken");
        assert!(whose == segment && reason.contains(why) && !reason.contains("secret"), "{whose}: {reason}");
    }
}

#[tokio::test]
async fn the_text_that_a_worker_died_of_is_told_and_the_next_ones_are_spoken() {
    let mut leg = Leg::new(1).await;
    leg.say([1, 2, 3]);
    leg.is_not_spoken(1, "a fault in dragomand").await;
    assert_eq!(leg.over().await, (2, None));
    assert_eq!(leg.over().await, (3, None));
    assert!(!leg.stage.workers.is_dead());
}

#[tokio::test]
async fn where_the_next_worker_dies_as_well_texts_are_told_at_once() {
    let mut leg = Leg::new(2).await;
    leg.say([1, 2, 3]);
    leg.is_not_spoken(1, "a fault in dragomand").await;
    leg.is_not_spoken(2, "a fault in dragomand").await;
    leg.is_not_spoken(3, "died twice within a minute").await;
    assert!(leg.stage.workers.is_dead());
}

#[tokio::test]
async fn why_a_text_is_not_taken_is_told_as_it_is() {
    let (jobs, queue) = mpsc::channel(1);
    let stage = Stage::new("tts", &[engine("cloud", Tts::Speech(unheard()))], |_| role(false, true));
    let speaker = Speaker { jobs, line: Arc::new(Line::new(&stage)), unwanted: Arc::default() };
    let refused = || {
        let job = SpeakJob::of_machine(SegmentId(1), "yes", "en".parse().unwrap());
        speaker.speak(job).err().map(|failure| failure.detail)
    };
    assert_eq!(refused(), None);
    assert_eq!(refused().as_deref(), Some("too much waits to be spoken"));
    drop(queue);
    assert_eq!(refused().as_deref(), Some("nobody is left to speak on this leg"));
}

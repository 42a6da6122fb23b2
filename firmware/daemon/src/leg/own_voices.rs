//! The own voices of a room's two speakers: their consent, their recordings, and what is made of them.

use std::sync::Arc;

use audio_path::{Frame, LegId};
use session::{Language, LanguagePair, OwnVoice, UtteranceId, VoiceState};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::clients::{Answer, MadeVoice, VoiceKey, VoiceOwner, make_voice};
use crate::config::{OwnVoices as Kept, Room};
use crate::hub::{Hub, Wish};
use crate::leg_name::LegName;
use crate::report::Report;

/// What a room does about its speakers' own voices.
pub(super) struct OwnVoices {
    hub: Arc<Hub>,
    leg: LegId,
    owner: VoiceOwner,
    speakers: [(Language, OwnVoice); 2],
    announced: bool,
    answers: mpsc::Sender<Answer>,
    /// Voices that are being made; they end with the leg.
    making: JoinSet<()>,
    /// By the language of who is recorded: a recording that was taken back is made no voice of.
    made_of: Vec<(Language, AbortHandle)>,
}

impl OwnVoices {
    /// `None` where the room offers none. `name` is the leg's.
    pub(super) fn new(
        hub: &Arc<Hub>,
        room: &Room,
        (leg, name): (LegId, &str),
        languages: LanguagePair,
        answers: &mpsc::Sender<Answer>,
    ) -> Option<Self> {
        let owner = owner(room.own_voices?, leg, name);
        let speakers = languages.both().map(|language| {
            let key = VoiceKey { owner: owner.clone(), language };
            let known = hub.outside.transport.profiles.has(&key);
            (language, OwnVoice::new(if known { VoiceState::Ready } else { VoiceState::NotAsked }))
        });
        let (hub, answers) = (Arc::clone(hub), answers.clone());
        Some(Self {
            hub,
            leg,
            owner,
            speakers,
            announced: false,
            answers,
            making: JoinSet::new(),
            made_of: Vec::new(),
        })
    }

    /// Both were asked: the announcement is over.
    pub(super) fn asked(&mut self) {
        self.announced = true;
        self.speakers.iter_mut().for_each(|(_, voice)| voice.asked());
        self.report();
    }

    /// A key was pressed, or somebody answered for a speaker.
    pub(super) fn wish(&mut self, wish: Wish) {
        match wish {
            Wish::Key('3') => self.answer(self.speakers[0].0, true),
            Wish::Key('5') => self.answer(self.speakers[1].0, true),
            Wish::Key('8') => {
                for language in self.speakers.each_ref().map(|(language, _)| *language) {
                    self.answer(language, false);
                }
            }
            Wish::Key(_) => {}
            Wish::Consent { language, yes } => self.answer(language, yes),
        }
    }

    fn answer(&mut self, language: Language, yes: bool) {
        let key = self.key(language);
        let Some((_, voice)) = self.speakers.iter_mut().find(|(known, _)| *known == language) else { return };
        if yes {
            voice.consent();
        } else {
            voice.refuse();
            self.made_of.extract_if(.., |(his, _)| *his == language).for_each(|(_, making)| making.abort());
            self.hub.outside.transport.profiles.forget(&key);
        }
        self.report();
    }

    /// Somebody says this.
    pub(super) fn hear(&mut self, utterance: UtteranceId, frame: &Frame) {
        self.speakers.iter_mut().for_each(|(_, voice)| voice.hear(utterance, frame));
    }

    /// It was said in this language.
    pub(super) fn said(&mut self, utterance: UtteranceId, language: Language) {
        let recordings =
            self.speakers.each_mut().map(|(his, voice)| (*his, voice.said(utterance, *his == language)));
        for (language, recording) in recordings {
            if let Some(samples) = recording {
                self.make(language, samples);
            }
        }
    }

    /// What came of making a voice.
    pub(super) fn made(&mut self, language: Language, made: MadeVoice) {
        let key = self.key(language);
        let Some((_, voice)) = self.speakers.iter_mut().find(|(known, _)| *known == language) else { return };
        if voice.cloned(!made.is_empty()) {
            self.hub.outside.transport.profiles.put(key, made);
        }
        self.report();
    }

    /// Whose voice says what was said in `language`. What the room itself announces is said in nobody's.
    pub(super) fn of_speaker(&self, language: Language) -> Option<VoiceKey> {
        self.announced.then(|| self.key(language))
    }

    fn key(&self, language: Language) -> VoiceKey {
        VoiceKey { owner: self.owner.clone(), language }
    }

    fn make(&mut self, language: Language, samples: Vec<i16>) {
        let (hub, leg, answers) = (Arc::clone(&self.hub), self.leg, self.answers.clone());
        let making = self.making.spawn(async move {
            let made = make_voice(&hub.outside, &samples).await.unwrap_or_else(|failure| {
                log::warn!("leg {}: no own voice: {failure}", leg.0);
                MadeVoice::default()
            });
            // A leg that hung up does not want it any more.
            let _hung_up = answers.send(Answer::VoiceMade { language, made }).await;
        });
        self.made_of.retain(|(_, making)| !making.is_finished());
        self.made_of.push((language, making));
        self.report();
    }

    fn report(&self) {
        let states =
            self.speakers.each_ref().map(|(language, voice)| (language.to_string(), voice.state().name()));
        let states: serde_json::Value = states.into_iter().collect();
        self.hub.tell(&Report::new("own_voices", serde_json::json!({ "leg": self.leg.0, "states": states })));
    }
}

/// Who dials a room's number is anybody, as is who comes in by a trunk, whose name has letters: only a phone's own number
/// tells who speaks.
fn owner(kept: Kept, leg: LegId, name: &str) -> VoiceOwner {
    let is_number = |phone: &&str| phone.bytes().all(|byte| byte.is_ascii_digit());
    match (kept, LegName::parse(name).ok().and_then(|name| name.phone).filter(is_number)) {
        (Kept::ForTheExtension, Some(phone)) => VoiceOwner::Phone(phone.to_owned()),
        (Kept::ForTheExtension | Kept::ForTheCall, _) => VoiceOwner::Leg(leg),
    }
}

impl Drop for OwnVoices {
    fn drop(&mut self) {
        if matches!(self.owner, VoiceOwner::Leg(_)) {
            for (language, _) in &self.speakers {
                self.hub.outside.transport.profiles.forget(&self.key(*language));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_is_kept_for_the_phone_that_it_is_spoken_into() {
        let kept = |kept, name| owner(kept, LegId(7), name);
        let call = VoiceOwner::Leg(LegId(7));
        assert_eq!(kept(Kept::ForTheExtension, "700-1732.5-101"), VoiceOwner::Phone("101".into()));
        assert_eq!(kept(Kept::ForTheExtension, "700-1732.5"), call);
        assert_eq!(kept(Kept::ForTheExtension, "700-1732.5-trunk_es"), call);
        assert_eq!(kept(Kept::ForTheExtension, "a sound card"), call);
        assert_eq!(kept(Kept::ForTheCall, "700-1732.5-101"), call);
    }
}

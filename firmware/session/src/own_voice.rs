//! A speaker's own voice: recorded and made with his consent only, and forgotten when he says so.

use audio_path::{Frame, SAMPLE_RATE};

use crate::UtteranceId;

/// Speech that a voice is made of, samples: six seconds of voice …
pub(crate) const ENOUGH_VOICE: usize = 6 * SAMPLE_RATE as usize;
/// … in ten seconds with the pauses between words; what comes after is left out.
pub(crate) const MOST_SAMPLES: usize = 10 * SAMPLE_RATE as usize;
/// Quieter frames are pauses.
const VOICE_DBFS: f32 = -45.0;
/// Utterances whose speaker is not known yet.
const MOST_UNDECIDED: usize = 4;

/// How far a speaker's own voice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VoiceState {
    /// He was not asked, or did not answer.
    NotAsked,
    /// He was asked.
    Asked,
    /// He does not want it.
    Refused,
    /// He wants it: his speech is recorded.
    Collecting,
    /// The voice is being made of the recording.
    Cloning,
    /// He is heard in it.
    Ready,
    /// It could not be made.
    Failed,
    /// He took his consent back, and it was forgotten.
    Forgotten,
}

impl VoiceState {
    /// The state as reports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotAsked => "not_asked",
            Self::Asked => "asked",
            Self::Refused => "refused",
            Self::Collecting => "collecting",
            Self::Cloning => "cloning",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Forgotten => "forgotten",
        }
    }
}

/// One speaker's own voice. Nothing of what he says is kept in any other state than [`VoiceState::Collecting`].
#[derive(Debug)]
pub struct OwnVoice {
    state: VoiceState,
    recording: Vec<i16>,
    voiced: usize,
    /// Utterances whose speaker is told when they are over.
    undecided: Vec<(UtteranceId, Vec<Frame>)>,
}

impl Default for OwnVoice {
    fn default() -> Self {
        Self::new(VoiceState::NotAsked)
    }
}

impl OwnVoice {
    /// A voice that is so far already.
    pub fn new(state: VoiceState) -> Self {
        Self { state, recording: Vec::new(), voiced: 0, undecided: Vec::new() }
    }

    /// How far it is.
    pub fn state(&self) -> VoiceState {
        self.state
    }

    /// He was asked.
    pub fn asked(&mut self) {
        if self.state == VoiceState::NotAsked {
            self.state = VoiceState::Asked;
        }
    }

    /// He consents. What he says from now on is recorded, unless his voice is there or being made.
    pub fn consent(&mut self) {
        if !matches!(self.state, VoiceState::Collecting | VoiceState::Cloning | VoiceState::Ready) {
            self.become_(VoiceState::Collecting);
        }
    }

    /// He does not, or not any more.
    pub fn refuse(&mut self) {
        let had_consented = matches!(
            self.state,
            VoiceState::Collecting
                | VoiceState::Cloning
                | VoiceState::Ready
                | VoiceState::Failed
                | VoiceState::Forgotten
        );
        self.become_(if had_consented { VoiceState::Forgotten } else { VoiceState::Refused });
    }

    /// Somebody in the room says this; who, [`Self::said`] tells later.
    pub fn hear(&mut self, utterance: UtteranceId, frame: &Frame) {
        if self.state != VoiceState::Collecting {
            return;
        }
        if self.undecided.last().is_none_or(|(id, _)| *id != utterance) {
            if self.undecided.len() == MOST_UNDECIDED {
                self.undecided.remove(0);
            }
            self.undecided.push((utterance, Vec::new()));
        }
        if let Some((_, frames)) = self.undecided.last_mut()
            && frames.len() < MOST_SAMPLES / frame.0.len()
        {
            frames.push(*frame);
        }
    }

    /// The utterance is over, and `his` or not. When enough is recorded, that is what the voice is to be made of.
    pub fn said(&mut self, utterance: UtteranceId, his: bool) -> Option<Vec<i16>> {
        let place = self.undecided.iter().position(|(id, _)| *id == utterance)?;
        let (_, frames) = self.undecided.remove(place);
        if !his {
            return None;
        }
        for frame in frames {
            let room = MOST_SAMPLES - self.recording.len();
            self.recording.extend(&frame.0[..frame.0.len().min(room)]);
            self.voiced += if frame.dbfs() > VOICE_DBFS { frame.0.len() } else { 0 };
        }
        if self.voiced < ENOUGH_VOICE && self.recording.len() < MOST_SAMPLES {
            return None;
        }
        let recording = std::mem::take(&mut self.recording);
        self.become_(VoiceState::Cloning);
        Some(recording)
    }

    /// What came of making it. `false` where nobody wants it any more: then it is to be forgotten.
    pub fn cloned(&mut self, made: bool) -> bool {
        if self.state != VoiceState::Cloning {
            return false;
        }
        self.become_(if made { VoiceState::Ready } else { VoiceState::Failed });
        made
    }

    fn become_(&mut self, state: VoiceState) {
        *self = Self::new(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOUD: Frame = Frame([8_000; audio_path::SAMPLES_PER_FRAME]);

    fn say(voice: &mut OwnVoice, id: u32, seconds: u32, frame: &Frame, his: bool) -> Option<Vec<i16>> {
        (0..seconds * 50).for_each(|_| voice.hear(UtteranceId(id), frame));
        voice.said(UtteranceId(id), his)
    }

    fn kept(voice: &OwnVoice) -> usize {
        voice.recording.len() + voice.undecided.len()
    }

    #[test]
    fn without_consent_nothing_is_kept() {
        let (mut refused, mut forgotten, mut ready, mut failed) =
            (OwnVoice::default(), OwnVoice::default(), OwnVoice::default(), OwnVoice::default());
        refused.refuse();
        forgotten.consent();
        forgotten.refuse();
        for (voice, made) in [(&mut ready, true), (&mut failed, false)] {
            voice.consent();
            assert!(say(voice, 1, 7, &LOUD, true).is_some());
            assert_eq!(voice.cloned(made), made);
        }
        let mut asked = OwnVoice::default();
        asked.asked();
        for mut voice in [OwnVoice::default(), asked, refused, forgotten, ready, failed] {
            let before = voice.state();
            assert_eq!(say(&mut voice, 9, 20, &LOUD, true), None, "{before:?}");
            assert_eq!((kept(&voice), voice.state()), (0, before));
        }
    }

    #[test]
    fn six_seconds_of_his_own_speech_make_a_voice() {
        let mut voice = OwnVoice::default();
        voice.consent();
        assert_eq!(say(&mut voice, 1, 4, &LOUD, true), None);
        assert_eq!(say(&mut voice, 2, 20, &LOUD, false), None, "it was somebody else");
        assert_eq!(say(&mut voice, 3, 3, &Frame::SILENCE, true), None, "pauses do not count");
        assert_eq!(voice.state(), VoiceState::Collecting);
        let recording = say(&mut voice, 4, 4, &LOUD, true).expect("enough");
        assert_eq!((recording.len(), voice.state()), (MOST_SAMPLES, VoiceState::Cloning));
        assert_eq!(kept(&voice), 0);
        assert!(voice.cloned(true));
        assert_eq!(voice.state(), VoiceState::Ready);
    }

    #[test]
    fn speech_before_the_consent_is_not_used() {
        let mut voice = OwnVoice::default();
        (0..500).for_each(|_| voice.hear(UtteranceId(1), &LOUD));
        voice.consent();
        assert_eq!(voice.said(UtteranceId(1), true), None);
        assert_eq!(kept(&voice), 0);
    }

    #[test]
    fn a_consent_that_is_taken_back_takes_the_voice_with_it() {
        let mut voice = OwnVoice::default();
        voice.consent();
        assert!(say(&mut voice, 1, 9, &LOUD, true).is_some());
        voice.refuse();
        assert!(!voice.cloned(true), "it comes too late and must go");
        assert_eq!(voice.state(), VoiceState::Forgotten);
        voice.consent();
        assert_eq!(voice.state(), VoiceState::Collecting);
        voice.refuse();
        assert_eq!((voice.state(), kept(&voice)), (VoiceState::Forgotten, 0));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut voice = OwnVoice::default();
        voice.consent();
        for id in 0..20 {
            (0..2_000).for_each(|_| voice.hear(UtteranceId(id), &LOUD));
        }
        assert_eq!(voice.undecided.len(), MOST_UNDECIDED);
        assert!(voice.undecided.iter().all(|(_, frames)| frames.len() == 500));
        assert_eq!(voice.said(UtteranceId(0), true), None);
    }
}

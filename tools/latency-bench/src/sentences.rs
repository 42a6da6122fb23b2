//! What is said: telephone prompts of Asterisk, a sentence each, with their words.

use std::time::Duration;

use anyhow::{Context, Result};
use engine_emulators::Line;
use lab::cache::Cache;
use lab::speech;
use softphone::Clip;
use softphone::audio::level::spoken;

const PROMPTS: [(&str, &str); 32] = [
    ("cannot-complete-as-dialed", "Your call cannot be completed as dialed."),
    ("check-number-dial-again", "Please check the number and dial again."),
    ("conf-getchannel", "Please enter the channel number followed by the pound key."),
    ("conf-getconfno", "Please enter your conference number followed by the pound key."),
    ("conf-getpin", "Please enter the conference pin number."),
    ("conf-invalidpin", "That pin is invalid for this conference."),
    ("conf-leaderhasleft", "The leader has left the conference."),
    ("conf-noempty", "No empty conferences currently exist."),
    ("conf-nonextended", "The conference cannot be extended."),
    ("conf-now-recording", "The conference is now being recorded."),
    ("conf-onlyone", "There is currently one other participant in the conference."),
    ("conf-onlyperson", "You are currently the only person in this conference."),
    ("conf-placeintoconf", "You will now be placed into the conference."),
    ("conf-roll-callcomplete", "Playback of the list of people attending is complete."),
    ("conf-waitforleader", "The conference will begin when the leader arrives."),
    ("confbridge-invalid", "You have entered an invalid option."),
    ("confbridge-lock-no-join", "The conference is currently locked and cannot be joined."),
    ("confbridge-only-participant", "You are currently the only participant in the conference."),
    ("confbridge-removed", "You have been removed from the conference."),
    ("demo-echodone", "The echo test has been completed."),
    ("dir-nomatch", "No directory entries match your search."),
    ("dir-nomore", "There are no more compatible entries in the directory."),
    ("enter-num-blacklist", "Please enter the number to be blacklisted."),
    ("entr-num-rmv-blklist", "Please enter the number to be removed from the blacklist."),
    ("feature-not-avail-line", "That feature is not available on this line."),
    ("please-try-call-later", "Please try your call again later."),
    ("pls-hold-while-try", "Please hold while we try to connect you."),
    ("privacy-unident", "The party you are trying to reach does not accept unidentified calls."),
    ("speed-dial-empty", "The speed dial entry you've accessed is empty."),
    ("transfer", "Please hold while I try that extension."),
    ("vm-savefolder", "Which folder should I save the message to?"),
    ("vm-sorry", "I'm sorry I did not understand your response."),
];
/// Scripted voices take as long for a character.
const CHARACTER: Duration = Duration::from_millis(50);
/// A translation takes so much longer to say than what it translates.
const EXPANSION: f64 = 1.1;

/// A recorded sentence, without the silence around it.
#[derive(Clone, Debug)]
pub(crate) struct Sentence {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
    pub(crate) clip: Clip,
}

impl Sentence {
    pub(crate) fn lasts(&self) -> Duration {
        Duration::from_secs_f64(self.clip.samples.len() as f64 / f64::from(self.clip.sample_rate))
    }

    /// What the recogniser hears, word by word.
    pub(crate) fn line(&self) -> Line {
        Line { text: self.text.to_owned(), language: Some("en".into()), lasts: Some(self.lasts()) }
    }

    /// What stands for its translation: as many characters as take a translation's time to say.
    pub(crate) fn translation(&self) -> String {
        let characters = (self.lasts().as_secs_f64() * EXPANSION / CHARACTER.as_secs_f64()) as usize;
        let text = format!("En español: {}", self.text);
        text.chars().chain(" y así sucesivamente".chars().cycle()).take(characters).collect()
    }
}

/// All of them.
pub(crate) fn read(cache: &Cache) -> Result<Vec<Sentence>> {
    let voice = speech::prompt_voice(cache, "en")?;
    let sentence = |&(name, text)| {
        let path = voice.join(name).with_extension("wav");
        let clip =
            Clip::read(&path).with_context(|| format!("{}: run `cargo xtask setup`", path.display()))?;
        let range = spoken(&clip.samples, clip.sample_rate);
        Ok(Sentence { name, text, clip: Clip { samples: clip.samples[range].to_vec(), ..clip } })
    };
    PROMPTS.iter().map(sentence).collect()
}

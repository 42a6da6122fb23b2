//! The voices of the studio: some sixty, of half a megabyte each, of which few are wanted.

use super::speaker::{Latents, Speaker};
use super::{SPEAKER_AT_MOST, unreadable};
use crate::Failure;

/// Longest answer, bytes. None of it is kept but wanted voices.
const STUDIO_AT_MOST: usize = 64 << 20;
/// Voices that are known by name.
const NAMES_AT_MOST: usize = 512;
/// Bytes of a name, as they are written.
const NAME_AT_MOST: usize = 256;

/// What was read of the studio.
#[derive(Debug, Default)]
pub struct Studio {
    /// All its voices, in its order.
    pub names: Vec<String>,
    /// Those that were wanted.
    pub voices: Vec<(String, Speaker)>,
}

/// Reads the body of the answer to [`super::studio_speakers`], cut anywhere: an object with one for each voice.
#[derive(Debug)]
pub struct StudioReader {
    wanted: Vec<String>,
    /// The first so many are wanted besides.
    first: usize,
    read: usize,
    /// How deep in objects and lists.
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The name that is being read, as it is written, or was read last.
    name: Vec<u8>,
    /// The voice that is being read, where it is wanted.
    voice: Option<Vec<u8>>,
    ended: bool,
    studio: Studio,
}

impl StudioReader {
    /// Wants these voices, and the `first` ones whatever they are called.
    pub fn new(wanted: Vec<String>, first: usize) -> Self {
        Self {
            wanted,
            first,
            read: 0,
            depth: 0,
            in_string: false,
            escaped: false,
            name: Vec::new(),
            voice: None,
            ended: false,
            studio: Studio::default(),
        }
    }

    /// Reads on.
    ///
    /// # Errors
    /// When it does not describe voices, or has no end.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.read += bytes.len();
        if self.read > STUDIO_AT_MOST {
            return Err(unreadable("the studio has no end"));
        }
        bytes.iter().try_for_each(|byte| self.byte(*byte))
    }

    /// What was read, once that was all.
    ///
    /// # Errors
    /// When it is not complete.
    pub fn finish(self) -> Result<Studio, Failure> {
        if self.ended { Ok(self.studio) } else { Err(unreadable("the studio ends midway")) }
    }

    fn byte(&mut self, byte: u8) -> Result<(), Failure> {
        if self.depth > 1 {
            if let Some(voice) = &mut self.voice {
                if voice.len() == SPEAKER_AT_MOST {
                    return Err(unreadable("a voice has no end"));
                }
                voice.push(byte);
            }
        } else if self.in_string {
            if self.name.len() == NAME_AT_MOST {
                return Err(unreadable("a voice's name has no end"));
            }
            self.name.push(byte);
        }
        if self.in_string {
            self.in_string = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
            return Ok(());
        }
        match (self.depth, byte) {
            (0, b'{') if !self.ended => self.depth = 1,
            (1, b'"') => {
                self.in_string = true;
                self.name = vec![b'"'];
            }
            (1, b'{') => self.voice_begins()?,
            (1, b'}') => (self.depth, self.ended) = (0, true),
            (2.., b'"') => self.in_string = true,
            (2.., b'{' | b'[') => self.depth += 1,
            (2.., b'}' | b']') => {
                self.depth -= 1;
                if self.depth == 1 {
                    self.voice_ends()?;
                }
            }
            (_, b' ' | b'\t' | b'\r' | b'\n') | (1, b':' | b',') | (2.., _) => {}
            _ => return Err(unreadable("the studio is not one")),
        }
        Ok(())
    }

    fn voice_begins(&mut self) -> Result<(), Failure> {
        let name: String = serde_json::from_slice(&std::mem::take(&mut self.name))
            .map_err(|_| unreadable("a voice has no name"))?;
        let known = self.studio.names.len();
        if known == NAMES_AT_MOST {
            return Err(unreadable("the studio has no end of voices"));
        }
        if known < self.first || self.wanted.contains(&name) {
            self.voice = Some(vec![b'{']);
        }
        self.studio.names.push(name);
        self.depth = 2;
        Ok(())
    }

    fn voice_ends(&mut self) -> Result<(), Failure> {
        let (Some(voice), Some(name)) = (self.voice.take(), self.studio.names.last()) else { return Ok(()) };
        let latents: Latents =
            serde_json::from_slice(&voice).map_err(|_| unreadable("a voice is not one"))?;
        self.studio.voices.push((name.clone(), latents.speaker()?));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn voice(seed: f32) -> Value {
        json!({"speaker_embedding": [seed], "gpt_cond_latent": [vec![seed; 1_024]], "note": "a \"}\\"})
    }

    fn body() -> Vec<u8> {
        let names = ["Ana \"A\" Florence", "Ba\u{ef}", "Claribel"];
        let voices: Vec<String> = names
            .iter()
            .zip([0.25, 0.5, 0.75])
            .map(|(name, seed)| format!("{} : {}", json!(name), voice(seed)))
            .collect();
        format!(" {{ {} }}\n", voices.join(",\n")).into_bytes()
    }

    fn names(studio: &Studio) -> Vec<&str> {
        studio.voices.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn what_is_not_wanted_is_passed_over() {
        let mut reader = StudioReader::new(vec!["Claribel".into()], 0);
        reader.push(&body()).unwrap();
        let studio = reader.finish().unwrap();
        assert_eq!(studio.names, ["Ana \"A\" Florence", "Ba\u{ef}", "Claribel"]);
        assert_eq!(names(&studio), ["Claribel"]);
        let wanted = super::super::read_speaker(200, voice(0.75).to_string().as_bytes()).unwrap();
        assert_eq!(studio.voices[0].1, wanted);
    }

    #[test]
    fn what_has_no_end_is_given_up() {
        let begins: [&[u8]; 4] = [b"{\"", b"{\"A\":{\"x\":[", b"{\"B\":{\"x\":\"", b" "];
        let most = [NAME_AT_MOST, SPEAKER_AT_MOST, STUDIO_AT_MOST, STUDIO_AT_MOST];
        for ((begin, most), filler) in begins.into_iter().zip(most).zip(*b"a1a ") {
            let mut reader = StudioReader::new(vec!["A".into()], 0);
            reader.push(begin).unwrap();
            let piece = [filler; 1 << 14];
            let pieces = (1..10_000_usize).find(|_| reader.push(&piece).is_err()).unwrap();
            assert!(pieces * piece.len() <= most + 2 * piece.len(), "{}", begin.escape_ascii());
            assert!(
                reader.name.capacity() + reader.voice.map_or(0, |voice| voice.capacity())
                    <= SPEAKER_AT_MOST * 2
            );
        }
    }

    #[test]
    fn other_bodies_are_refused() {
        for wrong in ["", "{", "[]", "7", "{\"A\":7}", "{\"A\":[]}", "{\"A\":{}}", "{}{", "{:{}}", "<html>"] {
            let mut reader = StudioReader::new(Vec::new(), 1);
            assert!(reader.push(wrong.as_bytes()).and_then(|()| reader.finish()).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn voices_survive_any_cut(cuts: Vec<prop::sample::Index>) {
            let body = body();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len())).collect();
            cuts.extend([0, body.len()]);
            cuts.sort_unstable();
            let mut reader = StudioReader::new(vec!["Claribel".into()], 1);
            for cut in cuts.windows(2) {
                reader.push(&body[cut[0]..cut[1]]).unwrap();
            }
            let studio = reader.finish().unwrap();
            prop_assert_eq!(names(&studio), ["Ana \"A\" Florence", "Claribel"]);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, at: prop::sample::Index, byte: u8) {
            let mut changed = body();
            let at = at.index(changed.len());
            changed[at] = byte;
            for body in [bytes, changed] {
                let mut reader = StudioReader::new(Vec::new(), 3);
                drop(reader.push(&body));
                drop(reader.finish());
            }
        }
    }
}

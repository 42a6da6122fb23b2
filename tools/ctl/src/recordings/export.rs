use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use audio_path::SegmentId;
use dragomand::recording::{Kept, Reader, What, identities};
use session::Language;

use super::mix::mix;
use super::tracks::Tracks;
use super::transcript::Transcript;
use super::{make_directory, name};

/// Samples in a millisecond.
const PER_MS: u64 = 16;

/// Decrypts a recording into a directory of its own. Whether it is whole.
pub(super) fn export(kept: &Kept, key: &Path, to: &Path) -> Result<bool, String> {
    let keys = identities(key)?;
    let open = || Reader::open(&kept.path, &keys);
    // What was broken off is told after the audio of it.
    let cuts = cuts(open()?);
    let mut reader = open()?;
    let directory = to.join(name(kept));
    make_directory(&directory)?;
    let mut transcript = Transcript::new(&reader.title().began);
    let mut tracks = Tracks::new(&directory);
    let mut last_ms = 0;
    for record in &mut reader {
        last_ms = last_ms.max(record.at_ms);
        match record.what {
            What::Told(told) => transcript.take(record.at_ms, &told),
            What::Said { leg, samples } => {
                tracks.said(&track(&transcript, leg.0), record.at_ms, &samples)?;
            }
            What::Spoken { leg, segment, language, samples } => {
                let name = translation(&transcript, leg.0, language);
                let end = cuts.get(&segment).map_or(u64::MAX, |at_ms| u64::from(*at_ms) * PER_MS);
                let begin = tracks.end(&name).max(u64::from(record.at_ms) * PER_MS);
                let heard = end.saturating_sub(begin).min(samples.len() as u64) as usize;
                tracks.spoken(&name, record.at_ms, &samples[..heard])?;
            }
            What::Cut { .. } => {}
        }
    }
    if let Some(fault) = reader.fault() {
        return Err(format!("{}: {fault}", kept.path.display()));
    }
    let is_whole = reader.is_whole();
    mix(&tracks.finish()?, &directory.join("mixed.wav"))?;
    write(&transcript, &directory.join("transcript.jsonl"))?;
    println!("{}", directory.display());
    if !is_whole {
        let seconds = f64::from(last_ms) / 1_000.0;
        eprintln!("dragoman: it was cut off, or is running: this is what there is, {seconds:.1} s");
    }
    Ok(is_whole)
}

/// When no more was heard of which translation.
fn cuts(reader: Reader) -> HashMap<SegmentId, u32> {
    let cut = |record: dragomand::recording::Record| match record.what {
        What::Cut { segment } => Some((segment, record.at_ms)),
        _ => None,
    };
    reader.filter_map(cut).collect()
}

fn track(transcript: &Transcript, leg: u32) -> String {
    let is_plain = |phone: &&str| phone.bytes().all(|byte| byte.is_ascii_digit());
    match transcript.phone(leg.into()).filter(is_plain) {
        Some(phone) => format!("leg-{leg}-{phone}"),
        None => format!("leg-{leg}"),
    }
}

fn translation(transcript: &Transcript, leg: u32, language: Language) -> String {
    format!("{}-in-{language}", track(transcript, leg))
}

fn write(transcript: &Transcript, path: &Path) -> Result<(), String> {
    let here = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = std::io::BufWriter::new(fs::File::create_new(path).map_err(here)?);
    for line in transcript.lines() {
        let line = serde_json::to_string(&line).map_err(|error| here(error.into()))?;
        writeln!(file, "{line}").map_err(here)?;
    }
    file.flush().map_err(here)
}

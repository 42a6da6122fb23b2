//! The daemon's ends of a leg's pipes.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;

use crate::rig::{Rig, eventually};
use dragoman_tests::bit_exact_caller::Caller;

pub(crate) const FRAME: usize = 640;

pub(crate) struct Leg {
    pub(crate) id: String,
    from_caller: File,
    to_caller: File,
    /// Whole frames written.
    pub(crate) played: u64,
}

impl Leg {
    /// Waits for the next leg and opens its pipes as the daemon does.
    pub(crate) fn attach(rig: &Rig) -> Self {
        let id = eventually("a leg", || {
            rig.pipes().iter().find_map(|name| Some(name.strip_suffix("_out.pcm")?.to_owned()))
        });
        Self::reattach(rig, &id)
    }

    pub(crate) fn reattach(rig: &Rig, id: &str) -> Self {
        let open = |options: &mut OpenOptions, suffix| {
            let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
            let path = rig.asterisk.pipes().join(format!("{id}{suffix}"));
            options
                .custom_flags(flags)
                .open(&path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let from_caller = open(OpenOptions::new().read(true), "_in.pcm");
        let to_caller = open(OpenOptions::new().write(true), "_out.pcm");
        Self { id: id.to_owned(), from_caller, to_caller, played: 0 }
    }

    /// Waits for a leg and answers it. What comes before both sides are bridged goes nowhere, so frames are sent until
    /// the caller hears one; ringing before it is passed over.
    pub(crate) fn answer(rig: &Rig, caller: &mut Caller) -> Self {
        let mut leg = Self::attach(rig);
        for number in 5000.. {
            leg.play(&frame(number));
            if caller.hears_within(&frame(number), Duration::from_millis(200)) {
                break;
            }
        }
        leg
    }

    /// Writes audio in one go.
    pub(crate) fn play(&mut self, audio: &[u8]) {
        self.to_caller.write_all(audio).expect("the pipe has room");
        self.played += (audio.len() / FRAME) as u64;
    }

    /// Waits for exactly `count` bytes from the caller.
    pub(crate) fn hear_bytes(&mut self, count: usize) -> Vec<u8> {
        let mut heard = vec![0; count];
        let mut filled = 0;
        eventually("the caller's audio", || match self.from_caller.read(&mut heard[filled..]) {
            Ok(0) => panic!("the pipe was closed after {filled} of {count} bytes"),
            Ok(read) => {
                filled += read;
                (filled == count).then_some(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("the pipe cannot be read: {error}"),
        });
        heard
    }

    /// Waits until the other side has hung up: no writer, no reader, no name.
    pub(crate) fn wait_for_end(mut self, pipes: &Path) {
        eventually("the end of the pipe", || {
            matches!(self.from_caller.read(&mut [0; FRAME]), Ok(0)).then_some(())
        });
        let error = self.to_caller.write(&[0; FRAME]).expect_err("nobody reads");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(crate::rig::names(pipes), Vec::<String>::new());
    }
}

/// A frame that no other number gives.
pub(crate) fn frame(number: usize) -> Vec<u8> {
    (0..FRAME).map(|at| (at * 7 + number * 13 + (number >> 5)) as u8).collect()
}

/// Several frames, one after the other.
pub(crate) fn frames(numbers: std::ops::Range<usize>) -> Vec<u8> {
    numbers.flat_map(frame).collect()
}

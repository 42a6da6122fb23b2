//! A channel under test, and the daemon's ends of its pipes.

use std::{
    ffi::{CStr, c_int},
    fs::{File, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    ptr,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use crate::{
    asterisk as ast,
    asterisk::c_string,
    channel,
    leg::Entry,
    module,
    reassembly::{FRAME_BYTES, Frame},
};

/// A channel that nobody else uses; hung up when dropped.
pub(super) struct Call {
    channel: *mut ast::ast_channel,
    id: String,
}

impl Call {
    /// Requests `SlinPipe/<id>`, or gives the cause that the caller would be told.
    pub(super) fn request(id: &str) -> Result<Self, c_int> {
        let address = c_string(id);
        let mut cause = 0;
        // SAFETY: the strings outlive the call; no other channel takes part.
        let channel = unsafe {
            let formats = channel::slin16_only();
            let technology = c"SlinPipe".as_ptr();
            let channel = ast::ast_request(
                technology,
                formats,
                ptr::null(),
                ptr::null(),
                address.as_ptr(),
                &raw mut cause,
            );
            ast::release(formats);
            channel
        };
        if channel.is_null() { Err(cause) } else { Ok(Self { channel, id: id.to_owned() }) }
    }

    pub(super) fn path(&self, suffix: &str) -> PathBuf {
        module::settings().directory.join(format!("{}{suffix}", self.id))
    }

    pub(super) fn daemon_reader(&self) -> Result<File, String> {
        open(OpenOptions::new().read(true), &self.path("_in.pcm"))
    }

    pub(super) fn daemon_writer(&self) -> Result<File, String> {
        open(OpenOptions::new().write(true), &self.path("_out.pcm"))
    }

    pub(super) fn entry(&self) -> Option<Arc<Entry>> {
        channel::legs().into_iter().find(|entry| entry.id.as_str() == self.id)
    }

    pub(super) fn dropped(&self) -> Option<u64> {
        self.entry().map(|entry| entry.counts.pipe_full.load(Relaxed))
    }

    /// Dials it, as `Dial()` would.
    pub(super) fn dial(&self) -> c_int {
        // SAFETY: the channel is ours alone.
        unsafe { ast::ast_call(self.channel, c"".as_ptr(), 0) }
    }

    /// Writes one frame of audio to the channel.
    pub(super) fn write(&self, audio: &[u8], format: Format) -> c_int {
        // SAFETY: zeros make an empty frame; `ast_write` changes neither the frame's audio nor keeps it.
        unsafe {
            let mut frame: ast::ast_frame = std::mem::zeroed();
            frame.frametype = ast::AST_FRAME_VOICE;
            frame.subclass.__bindgen_anon_1.format = format.of_asterisk();
            frame.data.ptr = audio.as_ptr().cast_mut().cast();
            frame.datalen = audio.len() as c_int;
            frame.samples = (audio.len() / format.sample_bytes()) as c_int;
            ast::ast_write(self.channel, &raw mut frame)
        }
    }

    /// Makes Asterisk translate what is written from here on.
    pub(super) fn expect_format(&self, format: Format) -> c_int {
        // SAFETY: the channel is ours alone.
        unsafe { ast::ast_set_write_format(self.channel, format.of_asterisk()) }
    }

    /// What Asterisk reads next; `None` after a second without anything.
    pub(super) fn read(&self) -> Option<Got> {
        // SAFETY: the channel is ours alone, and a frame is freed once, after its audio was copied.
        unsafe {
            if ast::ast_waitfor(self.channel, 1000) <= 0 {
                return None;
            }
            let frame = ast::ast_read(self.channel).as_mut()?;
            let got = match frame.frametype {
                ast::AST_FRAME_CONTROL => Got::Control(frame.subclass.integer.cast_unsigned()),
                ast::AST_FRAME_VOICE => Got::Voice(
                    std::slice::from_raw_parts(frame.data.ptr.cast(), frame.datalen as usize).to_vec(),
                ),
                _ => Got::Other,
            };
            ast::ast_frame_free(frame, 1);
            Some(got)
        }
    }

    pub(super) fn press(&self, digit: u8) -> c_int {
        // SAFETY: the channel is ours alone.
        unsafe { ast::ast_senddigit(self.channel, digit.cast_signed(), 100) }
    }

    pub(super) fn indicate(&self, condition: ast::ast_control_frame_type) -> c_int {
        // SAFETY: the channel is ours alone.
        unsafe { ast::ast_indicate(self.channel, condition as c_int) }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // SAFETY: the channel is ours alone, and nobody uses it after this.
        unsafe { ast::ast_hangup(self.channel) };
    }
}

/// What came out of a channel.
#[derive(PartialEq, Eq)]
pub(super) enum Got {
    Control(u32),
    Voice(Vec<u8>),
    Other,
}

#[derive(Clone, Copy)]
pub(super) enum Format {
    Slin16,
    Ulaw,
}

impl Format {
    fn of_asterisk(self) -> *mut ast::ast_format {
        // SAFETY: Asterisk's formats exist as long as Asterisk.
        unsafe {
            match self {
                Self::Slin16 => ast::ast_format_slin16,
                Self::Ulaw => ast::ast_format_ulaw,
            }
        }
    }

    fn sample_bytes(self) -> usize {
        match self {
            Self::Slin16 => 2,
            Self::Ulaw => 1,
        }
    }
}

/// A frame that no other number gives.
pub(super) fn frame(number: usize) -> Frame {
    std::array::from_fn(|at| (at * 7 + number * 13) as u8)
}

/// All that waits in a pipe.
pub(super) fn drain(pipe: &mut File) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    match pipe.read_to_end(&mut bytes) {
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error.to_string()),
        _ => Ok(bytes),
    }
}

pub(super) fn send(pipe: &mut File, frame: &Frame) -> Result<(), String> {
    match pipe.write(frame) {
        Ok(FRAME_BYTES) => Ok(()),
        other => Err(format!("the daemon's write: {other:?}")),
    }
}

fn open(options: &mut OpenOptions, path: &Path) -> Result<File, String> {
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    options.custom_flags(nonblocking).open(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Whether any SlinPipe channel of this id is up.
pub(super) fn is_up(id: &CStr) -> bool {
    channel::legs().iter().any(|entry| entry.id.as_str().as_bytes() == id.to_bytes())
}

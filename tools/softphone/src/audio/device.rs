//! Microphone and speaker of this machine, through cpal.

use std::path::Path;
use std::{env, fs};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use cpal::traits::{DeviceTrait as _, HostTrait as _, StreamTrait as _};
use cpal::{Device, FromSample, Sample, SampleFormat, SizedSample, Stream, SupportedStreamConfig};
use ringbuf::traits::{Consumer as _, Observer as _, Producer as _, Split as _};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _};
use serde::Serialize;

/// A sound device as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// What to give to `--mic` or `--speaker`.
    pub id: String,
    /// What it calls itself.
    pub name: String,
    /// It can record.
    pub input: bool,
    /// It can play.
    pub output: bool,
    /// It is the default microphone or speaker.
    pub default: bool,
}

/// Which device to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The system's default.
    Default,
    /// The one with this id, as listed.
    Id(String),
}

impl From<&str> for DeviceChoice {
    /// `default`, or an id; ids begin with the name of the sound system and a colon.
    fn from(text: &str) -> Self {
        if text == "default" { Self::Default } else { Self::Id(text.to_owned()) }
    }
}

/// All sound devices.
///
/// # Errors
/// When the sound system cannot be asked.
pub fn list() -> Result<Vec<DeviceInfo>> {
    let host = cpal::default_host();
    let id = |device: Option<Device>| device.and_then(|device| device.id().ok()).map(|id| id.to_string());
    let defaults = [id(host.default_input_device()), id(host.default_output_device())];
    let devices = host.devices().context("the sound system does not answer: is ALSA set up?")?;
    let describe = |device: Device| {
        let id = device.id().ok()?.to_string();
        Some(DeviceInfo {
            name: device.description().map_or_else(|_| id.clone(), |d| d.name().to_owned()),
            input: device.supports_input(),
            output: device.supports_output(),
            default: defaults.iter().flatten().any(|default| *default == id),
            id,
        })
    };
    Ok(devices.filter_map(describe).collect())
}

/// Asked before ALSA is, which fills the screen where there is nothing to find.
///
/// # Errors
/// When this machine has neither a sound card nor a sound server.
pub fn ensure_sound() -> Result<()> {
    let cards = fs::read_to_string("/proc/asound/cards").is_ok_and(|text| !text.contains("no soundcards"));
    let server = || {
        let of_session = env::var_os("XDG_RUNTIME_DIR").map(|dir| Path::new(&dir).join("pulse/native"));
        env::var_os("PULSE_SERVER").is_some() || of_session.is_some_and(|socket| socket.exists())
    };
    ensure!(cards || server(), "this machine has no sound card");
    Ok(())
}

/// A microphone that gives mono frames at the call's rate.
pub struct Microphone {
    _stream: Stream,
    samples: HeapCons<f32>,
    resampler: Fft<f32>,
    input: Vec<f32>,
    output: Vec<f32>,
}

impl Microphone {
    /// Opens the device.
    ///
    /// # Errors
    /// One line that names the device and what to do.
    pub fn open(choice: &DeviceChoice, sample_rate: u32) -> Result<Self> {
        let device = find(choice, "microphone", cpal::Host::default_input_device)?;
        let config = device.default_input_config().with_context(|| {
            format!("the microphone {} cannot be used: is another program using it?", label(&device))
        })?;
        // Half a second between the device's thread and ours.
        let (producer, samples) = HeapRb::new(config.sample_rate() as usize / 2).split();
        let stream = input_stream(&device, config, producer)?;
        stream.play().context("the microphone does not start")?;
        let (from, to) = (config.sample_rate() as usize, sample_rate as usize);
        let resampler = Fft::new(from, to, to / 50, 1, FixedSync::Output)?;
        let input = vec![0.0; resampler.input_frames_max()];
        Ok(Self { _stream: stream, samples, resampler, input, output: vec![0.0; to / 50] })
    }

    /// Fills `frame` (20 ms). False, and silence, when the device is late.
    pub fn read(&mut self, frame: &mut [i16]) -> bool {
        let needed = self.resampler.input_frames_next();
        let (input, output) = (&mut self.input[..needed], &mut self.output);
        if self.samples.occupied_len() < needed {
            frame.fill(0);
            return false;
        }
        self.samples.pop_slice(input);
        // A device whose clock is faster than ours: keep at most 100 ms.
        let surplus = self.samples.occupied_len().saturating_sub(needed * 5);
        self.samples.skip(surplus);
        if resample(&mut self.resampler, input, output).is_none() {
            frame.fill(0);
            return false;
        }
        for (slot, sample) in frame.iter_mut().zip(output.iter()) {
            *slot = i16::from_sample(*sample);
        }
        true
    }
}

/// A speaker that takes mono frames at the call's rate.
pub struct Speaker {
    _stream: Stream,
    samples: HeapProd<f32>,
    resampler: Fft<f32>,
    input: Vec<f32>,
    output: Vec<f32>,
}

impl Speaker {
    /// Opens the device.
    ///
    /// # Errors
    /// One line that names the device and what to do.
    pub fn open(choice: &DeviceChoice, sample_rate: u32) -> Result<Self> {
        let device = find(choice, "speaker", cpal::Host::default_output_device)?;
        let config = device.default_output_config().with_context(|| {
            format!("the speaker {} cannot be used: is another program using it?", label(&device))
        })?;
        let (samples, consumer) = HeapRb::new(config.sample_rate() as usize / 5).split();
        let stream = output_stream(&device, config, consumer)?;
        stream.play().context("the speaker does not start")?;
        let (from, to) = (sample_rate as usize, config.sample_rate() as usize);
        let resampler = Fft::new(from, to, from / 50, 1, FixedSync::Input)?;
        let output = vec![0.0; resampler.output_frames_max()];
        Ok(Self { _stream: stream, samples, resampler, input: vec![0.0; from / 50], output })
    }

    /// Takes 20 ms. False when the device is behind and part of it was dropped.
    pub fn write(&mut self, frame: &[i16]) -> bool {
        for (slot, sample) in self.input.iter_mut().zip(frame) {
            *slot = f32::from_sample(*sample);
        }
        let Some(written) = resample(&mut self.resampler, &self.input, &mut self.output) else {
            return false;
        };
        self.samples.push_slice(&self.output[..written]) == written
    }
}

/// Samples written to `output`.
fn resample(resampler: &mut Fft<f32>, input: &[f32], output: &mut [f32]) -> Option<usize> {
    let room = output.len();
    let from = InterleavedSlice::new(input, 1, input.len()).ok()?;
    let mut to = InterleavedSlice::new_mut(output, 1, room).ok()?;
    resampler.process_into_buffer(&from, &mut to, None).ok().map(|(_, written)| written)
}

fn find(
    choice: &DeviceChoice,
    what: &str,
    default: impl Fn(&cpal::Host) -> Option<Device>,
) -> Result<Device> {
    ensure_sound()?;
    let host = cpal::default_host();
    let DeviceChoice::Id(id) = choice else {
        return default(&host).ok_or_else(|| anyhow!("no {what} found: see `dragoman-phone devices`"));
    };
    let known = id.parse().ok().and_then(|id| host.device_by_id(&id));
    known.ok_or_else(|| anyhow!("no {what} called {id}: see `dragoman-phone devices`"))
}

fn label(device: &Device) -> String {
    device.description().map_or_else(|_| "(unnamed)".into(), |description| description.name().to_owned())
}

fn input_stream(device: &Device, config: SupportedStreamConfig, samples: HeapProd<f32>) -> Result<Stream> {
    match config.sample_format() {
        SampleFormat::I16 => record::<i16>(device, config, samples),
        SampleFormat::I32 => record::<i32>(device, config, samples),
        SampleFormat::F32 => record::<f32>(device, config, samples),
        other => bail!("the microphone {} gives {other}, which this phone does not read", label(device)),
    }
}

fn record<T>(device: &Device, config: SupportedStreamConfig, mut samples: HeapProd<f32>) -> Result<Stream>
where
    T: SizedSample,
    f32: FromSample<T>,
{
    let channels = usize::from(config.channels()).max(1);
    let take = move |data: &[T], _: &cpal::InputCallbackInfo| {
        let mono = data.chunks(channels).map(|frame| {
            let sum: f32 = frame.iter().map(|sample| f32::from_sample(*sample)).sum();
            finite(sum / channels as f32)
        });
        samples.push_iter(mono);
    };
    let name = label(device);
    device
        .build_input_stream(config.into(), take, complain("microphone"), None)
        .with_context(|| format!("the microphone {name} does not open: is another program using it?"))
}

/// A driver may hand over anything as floating point; the resampler's transform panics on what is no number.
fn finite(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 }
}

fn output_stream(device: &Device, config: SupportedStreamConfig, samples: HeapCons<f32>) -> Result<Stream> {
    match config.sample_format() {
        SampleFormat::I16 => play::<i16>(device, config, samples),
        SampleFormat::I32 => play::<i32>(device, config, samples),
        SampleFormat::F32 => play::<f32>(device, config, samples),
        other => bail!("the speaker {} wants {other}, which this phone does not write", label(device)),
    }
}

fn play<T>(device: &Device, config: SupportedStreamConfig, mut samples: HeapCons<f32>) -> Result<Stream>
where
    T: SizedSample + FromSample<f32>,
{
    let channels = usize::from(config.channels()).max(1);
    let give = move |data: &mut [T], _: &cpal::OutputCallbackInfo| {
        for frame in data.chunks_mut(channels) {
            frame.fill(T::from_sample(samples.try_pop().unwrap_or(0.0)));
        }
    };
    let name = label(device);
    device
        .build_output_stream(config.into(), give, complain("speaker"), None)
        .with_context(|| format!("the speaker {name} does not open: is another program using it?"))
}

/// A device that fails in a call is logged; the call goes on in silence.
fn complain(what: &'static str) -> impl FnMut(cpal::Error) + Send + 'static {
    move |error| log::warn!("{what}: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_silence() {
        assert_eq!([f32::NAN, f32::INFINITY, 7.0, -0.5].map(|s| (finite(s) * 2.0) as i32), [0, 0, 2, -1]);
    }
}

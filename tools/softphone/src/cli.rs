//! The command line of `dragoman-phone`.

mod args;
mod display;

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Parser as _;

use crate::audio::device;
use crate::{
    Account, AudioOptions, Call, CallReport, Codec, Phone, PhoneOptions, Recording, ScriptEnd, Step,
};
use args::{Args, AudioArgs, CallArgs, Command, RegisterArgs};

/// Set by Ctrl-C: end the call in the proper way. A second one ends the program at once.
static STOP: AtomicBool = AtomicBool::new(false);

/// How long the other side must be silent before a recording is played over it, and how long to wait for that.
const QUIET: Duration = Duration::from_millis(700);
const QUIET_AT_MOST: Duration = Duration::from_secs(15);
/// Silence after which a reply is over, and how long to wait for one.
const REPLY_OVER: Duration = Duration::from_secs(2);
const REPLY_AT_MOST: Duration = Duration::from_secs(15);

/// Runs the command line; prints one clear line to standard error when it fails.
pub fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dragoman-phone: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<()> {
    let on_signal = || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    };
    say::when_lost(|| STOP.store(true, Ordering::Relaxed));
    ctrlc::set_handler(on_signal).context("cannot listen for Ctrl-C")?;
    match args.command {
        Command::Call(args) => call(&args),
        Command::Register(args) => register(&args),
        Command::Devices { json } => devices(json),
    }
}

fn stopped() -> bool {
    STOP.load(Ordering::Relaxed)
}

fn call(args: &CallArgs) -> Result<()> {
    let (extension, host) = args::split_address(&args.target)?;
    let audio = audio_options(&args.audio);
    check_readable(&args.audio)?;
    let user = args.user.as_deref().unwrap_or("guest");
    let (phone, events) =
        Phone::start(Account::new(user, host, args.password.read()?)?, PhoneOptions::default())?;
    let display = display::start(events, args.audio.json);
    if args.register {
        phone.register()?;
    }
    let mut call = phone.dial(extension, &codecs(&args.codec), audio)?;
    let connected = call.wait_connected_until(args.ring, stopped);
    let report = connected.and_then(|connected| converse(call, connected.codec, &args.audio));
    phone.close()?;
    display.finish();
    finish_call(&report?, &args.audio)
}

/// Runs the script that the options describe and hangs up.
fn converse(mut call: Call<'_>, codec: Codec, audio: &AudioArgs) -> Result<CallReport> {
    let steps = script(audio, codec)?;
    let deadline = audio.duration.map(|duration| Instant::now() + duration);
    let over = || stopped() || deadline.is_some_and(|at| at <= Instant::now());
    if call.run_until(steps, over)? == ScriptEnd::NoReply {
        log::warn!("{}: no reply was heard", call.target());
    }
    call.hang_up()
}

/// Keys first; then each recording and the reply to it; then the microphone, or listening until the end.
fn script(audio: &AudioArgs, codec: Codec) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    if let Some(keys) = &audio.dtmf {
        steps.push(Step::WaitQuiet { quiet_for: QUIET, at_most: QUIET_AT_MOST });
        steps.push(Step::Dtmf(keys.clone()));
    }
    for path in &audio.play {
        steps.push(Step::WaitQuiet { quiet_for: QUIET, at_most: QUIET_AT_MOST });
        steps.push(Step::Play(Recording::read(path, codec)?));
        steps.push(Step::WaitReply { quiet_after: REPLY_OVER, at_most: REPLY_AT_MOST });
    }
    if audio.mic.is_some() {
        steps.push(Step::Talk(None));
    } else if audio.play.is_empty() {
        steps.push(Step::Pause(Duration::MAX));
    }
    Ok(steps)
}

fn audio_options(args: &AudioArgs) -> AudioOptions {
    AudioOptions {
        microphone: args.mic.clone(),
        speaker: args.speaker.clone(),
        record: args.record.is_some(),
        ..AudioOptions::default()
    }
}

/// A file that is missing is better found before the call than in it.
fn check_readable(audio: &AudioArgs) -> Result<()> {
    for path in &audio.play {
        Recording::read(path, Codec::L16)?;
    }
    if let Some(folder) = audio.record.as_deref().and_then(Path::parent)
        && !folder.as_os_str().is_empty()
        && !folder.is_dir()
    {
        bail!("cannot record: there is no folder {}", folder.display());
    }
    Ok(())
}

fn codecs(wanted: &[Codec]) -> Vec<Codec> {
    if wanted.is_empty() { Codec::ALL.to_vec() } else { wanted.to_vec() }
}

fn finish_call(report: &CallReport, audio: &AudioArgs) -> Result<()> {
    if let (Some(path), Some(clip)) = (&audio.record, &report.recording) {
        clip.write(path)?;
    }
    if audio.json {
        say::say!("{}", display::report_json(report, audio.record.as_deref())?);
    } else {
        say::write(format_args!("{}", display::report_text(report, audio.record.as_deref())));
    }
    Ok(())
}

fn register(args: &RegisterArgs) -> Result<()> {
    let (user, host) = args::split_address(&args.address)?;
    check_readable(&args.audio)?;
    let account = Account::new(user, host, args.password.read()?)?;
    let (phone, events) = Phone::start(account, PhoneOptions { port: args.port })?;
    let display = display::start(events, args.audio.json);
    phone.register()?;
    let answered = if args.answer { answer_calls(&phone, args) } else { Ok(()) };
    phone.close()?;
    display.finish();
    answered
}

/// Answers one call after another until Ctrl-C, or one call with `--once`.
fn answer_calls(phone: &Phone, args: &RegisterArgs) -> Result<()> {
    while !stopped() {
        let audio = audio_options(&args.audio);
        let Some(mut call) = phone.answer(&codecs(&args.codec), audio, Duration::from_millis(200))? else {
            continue;
        };
        // A caller who gives up before he is answered is no reason to stop answering.
        let connected = match call.wait_connected_until(Duration::from_secs(10), stopped) {
            Ok(connected) => connected,
            Err(error) => {
                log::warn!("{error:#}");
                continue;
            }
        };
        finish_call(&converse(call, connected.codec, &args.audio)?, &args.audio)?;
        if args.once {
            break;
        }
    }
    Ok(())
}

fn devices(json: bool) -> Result<()> {
    let devices = device::list()?;
    if json {
        say::say!("{}", serde_json::to_string(&devices)?);
        return Ok(());
    }
    if devices.is_empty() {
        bail!("this machine has no sound device: use --play and --record with WAV files");
    }
    for device in devices {
        let uses = match (device.input, device.output) {
            (true, true) => "--mic, --speaker",
            (true, false) => "--mic",
            _ => "--speaker",
        };
        let default = if device.default { " (default)" } else { "" };
        say::say!("{}{default}\n    {}: {uses}", device.id, device.name);
    }
    Ok(())
}

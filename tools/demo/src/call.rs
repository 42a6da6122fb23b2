//! The call itself, with the softphone as a caller.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lab::appliance::Appliance;
use lab::cache::Cache;
use lab::interrupt;
use lab::speech::{self, Utterance};
use say::say;
use softphone::audio::device::DeviceChoice;
use softphone::{
    Account, AudioOptions, Call, CallReport, Codec, Connected, Phone, PhoneOptions, Recording, ScriptEnd,
    Step,
};

const ROOM: &str = "700";

const ANSWER_AT_MOST: Duration = Duration::from_secs(10);
/// After the announcement, and how long that may take.
const QUIET: Duration = Duration::from_millis(800);
const QUIET_AT_MOST: Duration = Duration::from_secs(20);
const REPLY_OVER: Duration = Duration::from_millis(1500);
const REPLY_AT_MOST: Duration = Duration::from_secs(20);

/// A finished call that played a recording.
pub(crate) struct RecordedCall {
    pub(crate) utterance: Utterance,
    pub(crate) report: CallReport,
    pub(crate) end: ScriptEnd,
    /// When the last sample of the recording was heard.
    pub(crate) ended: Instant,
}

/// Calls, waits for the end of the announcement, speaks, and listens to the translation.
pub(crate) fn with_recording(appliance: &mut Appliance, cache: &Cache) -> Result<RecordedCall> {
    let utterance = speech::sentence(cache)?;
    let phone = start_phone(appliance)?;
    let audio = AudioOptions { record: true, ..AudioOptions::default() };
    let (mut call, connected) = connect(appliance, &phone, audio)?;
    say!("A caller says: “{}”", utterance.text);
    let end = call.run_until(
        vec![
            Step::WaitQuiet { quiet_for: QUIET, at_most: QUIET_AT_MOST },
            Step::Play(Recording::read(&utterance.wav, connected.codec)?),
            Step::WaitReply { quiet_after: REPLY_OVER, at_most: REPLY_AT_MOST },
        ],
        || is_over(appliance),
    )?;
    appliance.ensure_running()?;
    let ended = Instant::now();
    let report = call.hang_up()?;
    phone.close()?;
    interrupt::check()?;
    Ok(RecordedCall { utterance, report, end, ended })
}

/// Calls with the sound card until Ctrl-C.
pub(crate) fn with_microphone(appliance: &mut Appliance) -> Result<()> {
    let phone = start_phone(appliance)?;
    let device = Some(DeviceChoice::Default);
    let audio = AudioOptions { microphone: device.clone(), speaker: device, ..AudioOptions::default() };
    let (mut call, _) = connect(appliance, &phone, audio)?;
    say!("Speak English or Spanish after the announcement; Ctrl-C hangs up.");
    call.run_until(vec![Step::Talk(None)], || is_over(appliance))?;
    appliance.ensure_running()?;
    call.hang_up()?;
    phone.close()
}

fn start_phone(appliance: &Appliance) -> Result<Phone> {
    let account = appliance.asterisk.phones().first().context("Asterisk knows no phone")?;
    let address = format!("127.0.0.1:{}", appliance.asterisk.sip().port());
    let account = Account::new(&account.extension, &address, Some(account.secret.clone()))?;
    // What happens is shown by the daemon's captions.
    let (phone, _events) = Phone::start(account, PhoneOptions::default())?;
    phone.register()?;
    Ok(phone)
}

fn connect<'a>(
    appliance: &mut Appliance,
    phone: &'a Phone,
    audio: AudioOptions,
) -> Result<(Call<'a>, Connected)> {
    ensure!(!interrupt::requested(), "interrupted");
    let mut call = phone.dial(ROOM, &[Codec::G722], audio)?;
    let connected = call.wait_connected_until(ANSWER_AT_MOST, || is_over(appliance));
    appliance.ensure_running()?;
    let connected = connected?;
    say!("Connected to {ROOM} over {}.", connected.codec);
    Ok((call, connected))
}

/// The user has asked to stop, or there is nothing left to talk to.
fn is_over(appliance: &mut Appliance) -> bool {
    interrupt::requested() || appliance.ensure_running().is_err()
}

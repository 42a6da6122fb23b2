//! The tests themselves. Ids begin with a letter, so that no daemon takes them for a room's.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixDatagram},
    sync::atomic::Ordering::Relaxed,
};

use super::{
    Outcome,
    call::{Call, Format, Got, drain, frame, is_up, send},
    check,
};
use crate::{asterisk as ast, module, reassembly::FRAME_BYTES};

fn request(id: &str) -> Result<Call, String> {
    Call::request(id).map_err(|cause| format!("the request of {id} was refused with cause {cause}"))
}

pub(super) fn a_request_makes_both_pipes() -> Outcome {
    let call = request("selftest-pipes")?;
    let paths = [call.path("_in.pcm"), call.path("_out.pcm")];
    for path in &paths {
        let metadata = fs::symlink_metadata(path).map_err(|error| error.to_string())?;
        check!(metadata.permissions().mode() == 0o010_660);
    }
    drop(call);
    check!(paths.iter().all(|path| !path.exists()));
    check!(!is_up(c"selftest-pipes"));
    Ok(())
}

pub(super) fn bad_ids_are_refused() -> Outcome {
    let before = entries()?;
    for id in ["", "..", "../selftest", "a/b", "a b", "é", &"x".repeat(65)] {
        check!(
            matches!(Call::request(id), Err(cause) if cause == ast::AST_CAUSE_INVALID_NUMBER_FORMAT as i32)
        );
    }
    check!(entries()? == before);
    Ok(())
}

fn entries() -> Result<usize, String> {
    fs::read_dir(module::settings().directory).map(Iterator::count).map_err(|error| error.to_string())
}

pub(super) fn an_id_in_use_is_refused() -> Outcome {
    let call = request("selftest-twice")?;
    check!(Call::request("selftest-twice").is_err());
    let mut reader = call.daemon_reader()?;
    call.write(&frame(1), Format::Slin16);
    check!(drain(&mut reader)? == frame(1));
    Ok(())
}

pub(super) fn the_first_frame_answers() -> Outcome {
    let call = request("selftest-answer")?;
    let mut writer = call.daemon_writer()?;
    check!(call.dial() == 0);
    check!(call.read() == Some(Got::Control(ast::AST_CONTROL_RINGING)));
    send(&mut writer, &frame(1))?;
    check!(call.read() == Some(Got::Control(ast::AST_CONTROL_ANSWER)));
    check!(call.read() == Some(Got::Voice(frame(1).to_vec())));
    send(&mut writer, &frame(2))?;
    check!(call.read() == Some(Got::Voice(frame(2).to_vec())));
    Ok(())
}

pub(super) fn audio_from_the_caller_is_exact() -> Outcome {
    let call = request("selftest-exact")?;
    let mut reader = call.daemon_reader()?;
    let sent: Vec<u8> = (0..3).flat_map(frame).collect();
    for milliseconds in [10, 20, 30, 60] {
        for chunk in sent.chunks(milliseconds * 32) {
            check!(call.write(chunk, Format::Slin16) == 0);
        }
        check!(drain(&mut reader)? == sent);
    }
    Ok(())
}

pub(super) fn other_formats_are_translated() -> Outcome {
    let call = request("selftest-ulaw")?;
    let mut reader = call.daemon_reader()?;
    check!(call.expect_format(Format::Ulaw) == 0);
    // µ-law silence; the resampler may keep a few samples back at first.
    for _ in 0..5 {
        check!(call.write(&[0xff; 160], Format::Ulaw) == 0);
    }
    let heard = drain(&mut reader)?;
    check!(heard.len() >= 4 * FRAME_BYTES && heard.len() % FRAME_BYTES == 0);
    check!(heard.iter().all(|&byte| byte == 0));
    Ok(())
}

pub(super) fn a_full_pipe_drops_without_an_error() -> Outcome {
    let call = request("selftest-full")?;
    let mut reader = call.daemon_reader()?;
    for number in 0..40 {
        check!(call.write(&frame(number), Format::Slin16) == 0);
    }
    let kept = module::settings().pipe_bytes / FRAME_BYTES;
    check!(call.dropped() == Some(40_u64.saturating_sub(kept as u64)));
    check!(drain(&mut reader)?.starts_with(&frame(0)));
    call.write(&frame(99), Format::Slin16);
    check!(drain(&mut reader)? == frame(99));
    Ok(())
}

pub(super) fn keys_make_no_sound() -> Outcome {
    let call = request("selftest-keys")?;
    let mut reader = call.daemon_reader()?;
    check!(call.press(b'5') == 0);
    check!(drain(&mut reader)?.is_empty());
    check!(call.entry().is_some_and(|entry| entry.counts.digits.load(Relaxed) == 1));
    Ok(())
}

pub(super) fn keys_are_told_to_the_daemon() -> Outcome {
    let call = request("selftest-told")?;
    let place = module::settings().directory.join(".keys");
    let failed = |error: std::io::Error| error.to_string();
    let daemon = UnixDatagram::bind(&place).map_err(failed)?;
    let pressed = call.press(b'5');
    fs::remove_file(&place).and_then(|()| daemon.set_nonblocking(true)).map_err(failed)?;
    check!(pressed == 0);
    let mut told = [0; 64];
    let length = daemon.recv(&mut told).map_err(failed)?;
    check!(&told[..length] == b"selftest-told 5");
    Ok(())
}

pub(super) fn tones_make_no_sound() -> Outcome {
    let call = request("selftest-tones")?;
    let mut reader = call.daemon_reader()?;
    for condition in [ast::AST_CONTROL_RINGING, ast::AST_CONTROL_BUSY, ast::AST_CONTROL_CONGESTION] {
        check!(call.indicate(condition) == 0);
        // A tone would be generated as the channel is read.
        check!(call.read().is_none());
    }
    check!(drain(&mut reader)?.is_empty());
    Ok(())
}

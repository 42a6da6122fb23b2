//! The recording that a voice is cloned from.

use crate::http::Request;

/// Longest recording that a voice is cloned from, samples: half a minute at 16 kHz.
pub const SAMPLE_AT_MOST: usize = 30 * RATE as usize;

const RATE: u32 = 16_000;

/// Asks for a voice like that of `samples`, 16 kHz; those after [`SAMPLE_AT_MOST`] are left out.
pub fn clone_speaker(base: &str, samples: &[i16]) -> Request {
    let wav = wav(&samples[..samples.len().min(SAMPLE_AT_MOST)]);
    let boundary = boundary(&wav);
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"wav_file\"; filename=\"reference.wav\"\r\n\
         Content-Type: audio/wav\r\n\r\n"
    );
    Request {
        method: "POST",
        url: format!("{}/clone_speaker", base.trim_end_matches('/')),
        headers: vec![("Content-Type", format!("multipart/form-data; boundary={boundary}"))],
        body: [head.as_bytes(), &wav, format!("\r\n--{boundary}--\r\n").as_bytes()].concat(),
    }
}

/// A boundary that `content` does not have.
fn boundary(content: &[u8]) -> String {
    let has = |mark: &String| content.windows(mark.len()).any(|window| window == mark.as_bytes());
    let mut marks = (0_u32..).map(|number| format!("dragoman-{number:010}"));
    marks.find(|mark| !has(mark)).unwrap_or_default()
}

/// `samples` as a WAV file: 16 kHz, mono.
fn wav(samples: &[i16]) -> Vec<u8> {
    let bytes = samples.len() as u32 * 2;
    let mut wav = Vec::with_capacity(44 + samples.len() * 2);
    wav.extend(b"RIFF");
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend([1, 0, 1, 0]);
    wav.extend(RATE.to_le_bytes());
    wav.extend((RATE * 2).to_le_bytes());
    wav.extend([2, 0, 16, 0]);
    wav.extend(b"data");
    wav.extend(bytes.to_le_bytes());
    wav.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    wav
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_is_cloned_from_a_recording() {
        let request = clone_speaker("http://h:8000/", &[1, -2]);
        assert_eq!(request.url, "http://h:8000/clone_speaker");
        let boundary = request.headers[0].1.strip_prefix("multipart/form-data; boundary=").unwrap();
        let mut wanted = format!("--{boundary}\r\n").into_bytes();
        wanted.extend(b"Content-Disposition: form-data; name=\"wav_file\"; filename=\"reference.wav\"\r\n");
        wanted.extend(
            b"Content-Type: audio/wav\r\n\r\nRIFF\x28\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80>\0\0\0}\0\0",
        );
        wanted.extend(b"\x02\0\x10\0data\x04\0\0\0\x01\0\xfe\xff\r\n");
        wanted.extend(format!("--{boundary}--\r\n").as_bytes());
        assert_eq!(request.body, wanted);
    }

    #[test]
    fn a_boundary_is_never_in_the_recording() {
        assert_eq!(boundary(b"x dragoman-0000000000 y"), "dragoman-0000000001");
    }
}

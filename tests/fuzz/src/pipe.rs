use audio_path::{FRAME_BYTES, Reframer};

use crate::pieces::cut;

/// What the channel driver's pipe gives: the frames are the same, however it was cut.
pub(crate) fn frames(input: &[u8]) -> bool {
    let mut reframer = Reframer::default();
    let mut frames = Vec::new();
    for mut piece in cut(input) {
        while let Some(frame) = reframer.next_frame(&mut piece) {
            frames.push(frame);
        }
    }
    let mut whole = Vec::new();
    let (mut at_once, mut all) = (Reframer::default(), input);
    while let Some(frame) = at_once.next_frame(&mut all) {
        whole.push(frame);
    }
    assert!(frames == whole && reframer.pending_bytes() == input.len() % FRAME_BYTES);
    !frames.is_empty()
}

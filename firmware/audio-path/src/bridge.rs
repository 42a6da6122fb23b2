use crate::Frame;

/// How many missing frames are bridged with the fading echo of the last one: past 60 ms a repeat is heard as one.
const BRIDGED_FRAMES: u32 = 3;

/// Bridges frames that are missing in the middle of speech.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bridge {
    last: Option<Frame>,
    gap: u32,
}

impl Bridge {
    /// What was heard last; `None` where nothing may follow it.
    pub(crate) fn remember(&mut self, frame: Option<&Frame>) {
        self.last = frame.copied();
        self.gap = 0;
    }

    /// In the place of a missing frame; `None` where silence serves as well.
    pub(crate) fn missing(&mut self) -> Option<Frame> {
        let mut frame = self.last?;
        self.gap += 1;
        if self.gap > BRIDGED_FRAMES {
            self.last = None;
            return None;
        }
        frame.0.iter_mut().for_each(|sample| *sample >>= self.gap);
        Some(frame)
    }
}

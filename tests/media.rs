//! The media thread of rooms with several legs, in this process, with real pipes: what legs hear of each other and of
//! their lanes, to the sample.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use audio_path::{
    Captured, DropReason, Frame, Gain, LegId, Level, MediaEventKind, Playable, SAMPLES_PER_FRAME, SegmentId,
};
use dragoman_tests::fake_phone::FakePhone;
use dragomand::media::{self, LegEnds, Media, MediaConfig, Unheard};
use dragomand::ports::{PipePort, Port};
use rt_sys::alloc;
use tempfile::TempDir;
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: alloc::CountingAllocator = alloc::CountingAllocator;

const TICK_WITHIN: Duration = Duration::from_secs(1);

/// A media thread and phones that speak in step with its tick.
struct Room {
    media: Media,
    legs: Vec<Leg>,
    events: Arc<Mutex<Vec<(LegId, MediaEventKind)>>>,
    directory: TempDir,
    runtime: Runtime,
}

struct Leg {
    phone: FakePhone,
    ends: LegEnds,
}

impl Room {
    /// A room whose legs have so many lanes.
    fn new(lanes: &[usize]) -> Self {
        alloc::abort_on_violation();
        let runtime = Runtime::new().expect("a runtime");
        let (media, mut news) = {
            let _within = runtime.enter();
            media::start(&MediaConfig { priority: 50, cpu: None }).expect("a media thread")
        };
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard_of = Arc::clone(&events);
        runtime.spawn(async move {
            while news.wait().await.is_ok() {
                while let Some(event) = news.next_event() {
                    heard_of.lock().expect("no panic").push((event.leg, event.kind));
                }
            }
        });
        let directory = tempfile::tempdir().expect("a directory");
        let mut room = Self { media, legs: Vec::new(), events, directory, runtime };
        for &lanes in lanes {
            room.attach(lanes);
        }
        room
    }

    fn attach(&mut self, lanes: usize) {
        let id = format!("800-{}", self.legs.len());
        let phone = FakePhone::connect(self.directory.path(), &id);
        let port = PipePort::open(self.directory.path(), &id).expect("the pipes open");
        let ends = self.media.attach_room(Port::Pipe(Box::new(port)), lanes).expect("a place");
        self.legs.push(Leg { phone, ends });
        self.align();
    }

    /// Right after a tick, with nothing left to read.
    fn align(&self) {
        let last = &self.legs.last().expect("a leg").phone;
        last.receive_within(TICK_WITHIN).expect("a tick");
        std::thread::sleep(Duration::from_millis(10));
        self.legs.iter().for_each(|leg| while leg.phone.receive().is_some() {});
        last.receive_within(TICK_WITHIN).expect("a tick");
        self.legs.iter().rev().skip(1).for_each(|leg| _ = leg.phone.receive_within(TICK_WITHIN));
    }

    fn id(&self, leg: usize) -> LegId {
        self.legs[leg].ends.id
    }

    fn hear(&self, listener: usize, originals: &[(usize, Gain)]) {
        let originals: Vec<_> = originals.iter().map(|&(leg, gain)| (self.id(leg), gain)).collect();
        self.media.hear(self.id(listener), &originals).expect("a list that can be heard");
    }

    /// Each leg says this; what each of them hears in the tick that follows.
    fn tick(&mut self, said: &[Option<Frame>]) -> Vec<Frame> {
        for (leg, said) in self.legs.iter().zip(said) {
            assert!(said.is_none_or(|frame| leg.phone.send(&frame.to_wire())), "the pipe has room");
        }
        let heard = |leg: &mut Leg| {
            let bytes = leg.phone.receive_within(TICK_WITHIN).expect("a frame a tick");
            Frame::from_wire(&bytes)
        };
        self.legs.iter_mut().map(heard).collect()
    }

    /// Queues `frames` of a segment whose samples are all `sample`.
    fn play(&mut self, leg: usize, lane: usize, segment: u32, frames: usize, sample: i16) {
        let ends = &mut self.legs[leg].ends;
        for left in (0..frames).rev() {
            let (epoch, frame) = (ends.shared.epoch(lane), level(sample));
            let playable = Playable { epoch, segment: SegmentId(segment), last: left == 0, frame };
            ends.playable[lane].push(playable).map_err(|_| "full").expect("room in the lane");
        }
    }

    fn dropped(&self, leg: usize, reason: DropReason) -> u64 {
        self.legs[leg].ends.shared.counters.dropped(reason)
    }

    /// What was told of a leg's segments so far.
    fn told(&self, leg: usize) -> Vec<MediaEventKind> {
        std::thread::sleep(Duration::from_millis(10));
        let events = self.events.lock().expect("no panic");
        events.iter().filter(|(of, _)| *of == self.id(leg)).map(|(_, kind)| *kind).collect()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _within = self.runtime.enter();
        self.media.stop();
        assert_eq!(self.media.status().allocations, 0);
    }
}

fn level(sample: i16) -> Frame {
    Frame([sample; SAMPLES_PER_FRAME])
}

/// A frame like no other.
fn noise(number: u32) -> Frame {
    let mut random = fastrand::Rng::with_seed(u64::from(number));
    Frame(std::array::from_fn(|_| random.i16(..)))
}

fn constant(frame: &Frame) -> i16 {
    assert!(frame.0.iter().all(|sample| *sample == frame.0[0]), "{:?}", &frame.0[..8]);
    frame.0[0]
}

const OPEN: Gain = Gain::steady(Level::UNITY);
const MUTED: Gain = Gain::steady(Level::MUTED);

fn ducked(db: f32) -> Gain {
    Gain { plain: Level::UNITY, ducked: Level::from_db(db) }
}

#[test]
fn two_legs_hear_each_other_bit_exactly_and_the_session_hears_both() {
    let mut room = Room::new(&[1, 1]);
    room.hear(0, &[(1, OPEN)]);
    room.hear(1, &[(0, OPEN)]);
    for number in 0..200 {
        let (first, second) = (noise(2 * number), noise(2 * number + 1));
        assert_eq!(room.tick(&[Some(first), Some(second)]), [second, first], "tick {number}");
        for (leg, said) in room.legs.iter_mut().zip([first, second]) {
            let captured: Captured = leg.ends.captured.pop().expect("the session has it as well");
            assert_eq!((captured.number, captured.frame), (u64::from(number), said));
        }
    }
    assert_eq!((0..2).map(|leg| room.dropped(leg, DropReason::OriginalAhead)).sum::<u64>(), 0);
}

#[test]
fn nobody_hears_anybody_unasked() {
    let mut room = Room::new(&[1, 1]);
    for _ in 0..10 {
        assert_eq!(room.tick(&[Some(level(1000)), Some(level(2000))]), [Frame::SILENCE; 2]);
    }
}

#[test]
fn the_original_is_ducked_while_a_lane_plays_and_comes_back() {
    let mut room = Room::new(&[2, 1]);
    room.hear(0, &[(1, ducked(-20.0))]);
    let listen = |room: &mut Room, ticks| -> Vec<Frame> {
        (0..ticks).map(|_| room.tick(&[None, Some(level(10_000))])[0]).collect()
    };
    assert!(listen(&mut room, 5).iter().all(|frame| constant(frame) == 10_000));
    // A silent segment shows the original alone.
    room.play(0, 1, 7, 20, 0);
    let under = listen(&mut room, 20);
    assert!(
        under[0].0[0] < 10_000 && under[..2].iter().flat_map(|frame| frame.0).is_sorted_by(|a, b| a >= b)
    );
    assert!(under[2..].iter().all(|frame| constant(frame) == 999), "20 dB less");
    let after = listen(&mut room, 20);
    assert!(after[..12].iter().flat_map(|frame| frame.0).is_sorted());
    assert!(after[0].0[0] >= 999 && after[10].0[319] < 10_000, "240 ms of release");
    assert!(after[12..].iter().all(|frame| constant(frame) == 10_000));
    let segment = SegmentId(7);
    assert_eq!(
        room.told(0),
        [MediaEventKind::SegmentStarted(segment), MediaEventKind::SegmentEnded(segment)]
    );
}

#[test]
fn the_same_language_is_passed_through_under_speech() {
    let mut room = Room::new(&[1, 1]);
    room.hear(0, &[(1, OPEN)]);
    room.play(0, 0, 1, 10, 300);
    for _ in 0..10 {
        assert_eq!(constant(&room.tick(&[None, Some(level(1000))])[0]), 1300);
    }
}

#[test]
fn a_muted_leg_is_silent_and_a_changed_gain_is_reached_within_a_frame() {
    let mut room = Room::new(&[1, 1]);
    room.hear(0, &[(1, MUTED)]);
    let says = [None, Some(level(16_000))];
    assert_eq!(room.tick(&says)[0], Frame::SILENCE);
    room.hear(0, &[(1, OPEN)]);
    let rising = room.tick(&says)[0].0;
    assert_eq!((rising[0], rising[319]), (49, 16_000));
    assert!(rising.is_sorted(), "no click");
    room.hear(0, &[(1, MUTED)]);
    assert!(room.tick(&says)[0].0.is_sorted_by(|a, b| a >= b));
    assert_eq!(room.tick(&says)[0], Frame::SILENCE);
}

#[test]
fn a_source_that_went_is_silent_and_who_takes_its_place_is_not_heard() {
    let mut room = Room::new(&[1, 1]);
    room.hear(0, &[(1, OPEN)]);
    assert_eq!(constant(&room.tick(&[None, Some(level(500))])[0]), 500);
    let gone = room.id(1);
    room.media.detach(gone);
    room.legs.pop();
    room.align();
    assert_eq!(room.tick(&[None])[0], Frame::SILENCE);
    room.attach(1);
    assert_eq!(room.tick(&[None, Some(level(700))])[0], Frame::SILENCE);
    let lost = [(gone, OPEN), (room.id(1), OPEN)];
    room.media.hear(room.id(0), &lost).expect("a list");
    assert_eq!(constant(&room.tick(&[None, Some(level(700))])[0]), 700, "the one that is there is heard");
}

#[test]
fn three_voices_and_four_lanes_are_summed_and_cut_at_full_scale() {
    let mut room = Room::new(&[4, 1, 1, 1]);
    room.hear(0, &[(1, OPEN), (2, OPEN), (3, ducked(-120.0))]);
    let says = |a, b, c| [None, Some(level(a)), Some(level(b)), Some(level(c))];
    assert_eq!(constant(&room.tick(&says(1, 20, 300))[0]), 321);
    assert_eq!(room.tick(&says(1, 20, 300))[1..], [Frame::SILENCE; 3]);
    for (lane, sample) in [1000, 2000, 4000, 8000].into_iter().enumerate() {
        room.play(0, lane, lane as u32, 3, sample);
    }
    let [first, second, third] = [(); 3].map(|()| room.tick(&says(1, 20, 300))[0]);
    assert!(first.0[0] > second.0[319], "the third voice goes down");
    assert_eq!(constant(&third), 15_021);
    for lane in 0..4 {
        room.play(0, lane, 10 + lane as u32, 2, -20_000);
    }
    assert_eq!(constant(&room.tick(&says(-1, -2, 0))[0]), i16::MIN);
    let started =
        room.told(0).iter().filter(|kind| matches!(kind, MediaEventKind::SegmentStarted(_))).count();
    assert_eq!(started, 8, "each lane's segments are told");
}

#[test]
fn a_late_source_is_bridged_and_its_delay_is_made_up_for_and_counted() {
    let mut room = Room::new(&[1, 1]);
    room.hear(0, &[(1, OPEN)]);
    assert!((0..5).all(|_| room.tick(&[None, None])[0] == Frame::SILENCE), "it has not spoken yet");
    assert_eq!(room.tick(&[None, Some(noise(1))])[0], noise(1), "heard from its first sample");
    assert_eq!(constant(&room.tick(&[None, Some(level(400))])[0]), 400);
    assert_eq!(constant(&room.tick(&[None, None])[0]), 200, "a late frame is bridged");
    // It comes with the next one, which from now on waits for a tick.
    assert!(room.legs[1].phone.send(&level(0).to_wire()));
    let heard: Vec<i16> =
        (1..80).map(|number| constant(&room.tick(&[None, Some(level(number))])[0])).collect();
    let expected: Vec<i16> = (0..49).chain(50..80).collect();
    assert_eq!(heard, expected, "late by one frame for a second, then not at all");
    assert_eq!(room.dropped(1, DropReason::OriginalAhead), 1);
}

#[test]
fn a_burst_waits_for_its_ticks_and_what_is_too_much_is_dropped_and_counted() {
    let mut room = Room::new(&[1, 1]);
    room.hear(0, &[(1, OPEN)]);
    for number in 1..5 {
        assert!(room.legs[1].phone.send(&level(number).to_wire()));
    }
    let heard: Vec<i16> = (0..4).map(|_| constant(&room.tick(&[None, None])[0])).collect();
    assert_eq!(heard, [2, 3, 4, 2], "the oldest is gone, and the last one is bridged");
    assert_eq!(room.dropped(1, DropReason::OriginalAhead), 1);
}

#[test]
fn a_flush_silences_all_lanes_and_a_lanes_flush_only_that_one() {
    let mut room = Room::new(&[2]);
    room.play(0, 0, 1, 10, 100);
    room.play(0, 1, 2, 10, 2000);
    assert_eq!(constant(&room.tick(&[None])[0]), 2100);
    room.legs[0].ends.shared.flush_lane(1);
    room.play(0, 1, 3, 5, 30);
    assert_eq!(constant(&room.tick(&[None])[0]), 130);
    assert_eq!(room.dropped(0, DropReason::Flushed), 9);
    room.legs[0].ends.shared.flush();
    assert_eq!(room.tick(&[None])[0], Frame::SILENCE);
    assert_eq!(room.dropped(0, DropReason::Flushed), 9 + 8 + 4);
}

#[test]
fn lists_that_cannot_be_heard_are_refused() {
    let room = Room::new(&[1, 1]);
    let (me, other) = (room.id(0), room.id(1));
    assert_eq!(room.media.hear(me, &[(other, OPEN), (me, OPEN)]), Err(Unheard::Itself));
    assert_eq!(room.media.hear(me, &[(other, OPEN), (other, MUTED)]), Err(Unheard::Twice));
    let many: Vec<_> = (100..116).map(|leg| (LegId(leg), OPEN)).collect();
    assert_eq!(room.media.hear(me, &many), Err(Unheard::TooMany));
    assert_eq!(room.media.hear(me, &many[..15]), Ok(()));
}

#[test]
fn legs_come_and_go_and_nothing_is_left() {
    let mut room = Room::new(&[1]);
    let start = Instant::now();
    for _ in 0..20 {
        room.attach(4);
        room.hear(0, &[(1, OPEN)]);
        room.hear(1, &[(0, OPEN)]);
        assert_eq!(room.tick(&[Some(level(1)), Some(level(2))]), [level(2), level(1)]);
        let gone = room.legs.pop().expect("two legs");
        let shared = Arc::clone(&gone.ends.shared);
        room.media.detach(gone.ends.id);
        drop(gone);
        while Arc::strong_count(&shared) > 1 {
            assert!(start.elapsed() < Duration::from_secs(20), "the leg is never dropped");
            std::thread::sleep(Duration::from_millis(1));
        }
        room.align();
    }
}

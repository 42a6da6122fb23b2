//! What one frame costs in the pure parts of the media path.

use std::hint::black_box;

use audio_path::{
    Captured, Ducking, Epoch, FRAME_BYTES, Frame, Gain, Level, Mix, Playable, Playout, Reframer, Relay,
    SegmentId, Timestamp, prefaulted_ring,
};
use criterion::{Criterion, criterion_group, criterion_main};

fn reframing(criterion: &mut Criterion) {
    let whole = [7u8; FRAME_BYTES];
    criterion.bench_function("reframe, whole frames", |bencher| {
        let mut reframer = Reframer::default();
        bencher.iter(|| reframer.next_frame(&mut black_box(&whole[..])));
    });
    criterion.bench_function("reframe, a byte off", |bencher| {
        let mut reframer = Reframer::default();
        assert!(reframer.next_frame(&mut &[7][..]).is_none());
        bencher.iter(|| reframer.next_frame(&mut black_box(&whole[..])));
    });
}

fn playing(criterion: &mut Criterion) {
    let frame = Frame([1000; 320]);
    let playable = Playable { epoch: Epoch(0), segment: SegmentId(1), last: false, frame };
    criterion.bench_function("playout, speech", |bencher| {
        let mut playout = Playout::default();
        bencher.iter(|| black_box(playout.next(Some(black_box(&playable)))));
    });
    criterion.bench_function("playout, a gap", |bencher| {
        let mut playout = Playout::default();
        playout.next(Some(&playable));
        bencher.iter(|| black_box(playout.next(None)));
    });
    criterion.bench_function("frame to bytes", |bencher| bencher.iter(|| black_box(&frame).to_wire()));
    criterion.bench_function("level", |bencher| bencher.iter(|| black_box(&frame).mean_square()));
}

fn hearing(criterion: &mut Criterion) {
    let frame = Frame([1000; 320]);
    criterion.bench_function("relay, in and out", |bencher| {
        let mut relay = Relay::default();
        bencher.iter(|| {
            black_box(relay.push(black_box(&frame)));
            black_box(relay.tick())
        });
    });
    let gain = Gain { plain: Level::UNITY, ducked: Level::from_db(-20.0) };
    let mut mix_of = |name, from: Ducking, to: Ducking| {
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut mix = Mix::default();
                mix.add(black_box(&frame));
                (0..3).for_each(|_| mix.fade(black_box(&frame), from.level(gain), to.level(gain)));
                black_box(mix.frame())
            });
        });
    };
    let mut ducked = Ducking::default();
    (0..2).for_each(|_| ducked.tick(true));
    mix_of("mix, a lane and three ducked voices", ducked.clone(), ducked.clone());
    mix_of("mix, a lane and three fading voices", Ducking::default(), ducked);
}

fn ring(criterion: &mut Criterion) {
    let item = Captured { number: 0, at: Timestamp::default(), frame: Frame::SILENCE };
    let (mut producer, mut consumer) = prefaulted_ring(64, &item);
    criterion.bench_function("ring, in and out", |bencher| {
        bencher.iter(|| {
            black_box(producer.push(black_box(item)).is_ok());
            black_box(consumer.pop())
        });
    });
}

criterion_group!(pure, reframing, playing, hearing, ring);
criterion_main!(pure);

//! What one frame costs in the pure parts of the media path.

use std::hint::black_box;

use audio_path::{
    Captured, Epoch, FRAME_BYTES, Frame, Playable, Playout, Reframer, SegmentId, Timestamp, prefaulted_ring,
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

criterion_group!(pure, reframing, playing, ring);
criterion_main!(pure);

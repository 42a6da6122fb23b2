//! Rooms, legs, utterances and the commit policy: no I/O, no clock.

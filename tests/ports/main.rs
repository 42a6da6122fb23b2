//! The ports of a leg, with the same demands on each: what is sent is heard, in its order, to the bit (through a sound
//! card, which has a clock of its own, as far as resampling leaves it alike); what is not heard is counted; either side may
//! hang up; whoever comes back is served.

mod alsa;
mod asterisk;
mod audiosocket;
mod card;
mod conference;
mod keys;
mod phone;
mod rtp;
mod scenario;
mod strangers;

/// One test a demand.
macro_rules! conforms {
    ($name:ident, $phone:ty $(, $end:ident)*) => {
        mod $name {
            use crate::scenario;

            #[test]
            fn every_frame_comes_back_as_it_should_and_in_order() {
                scenario::exact::<$phone>();
            }

            #[test]
            fn what_is_not_heard_is_counted() {
                scenario::accounted::<$phone>();
            }

            $(conforms!(@$end $phone);)*
        }
    };
    (@ends_by_the_phone $phone:ty) => {
        #[test]
        fn a_phone_that_hangs_up_leaves_nothing_behind() {
            scenario::phone_hangs_up::<$phone>();
        }

        #[test]
        fn a_phone_that_vanished_and_comes_back_is_served() {
            scenario::phone_comes_back::<$phone>();
        }
    };
    (@ends_by_the_daemon $phone:ty) => {
        #[test]
        fn a_phone_that_the_daemon_hangs_up_on_is_told_and_others_go_on() {
            scenario::daemon_hangs_up::<$phone>();
        }
    };
    // Elsewhere there is nothing to be told that the end of a process would not tell.
    (@ends_with_the_daemon $phone:ty) => {
        #[test]
        fn a_phone_whose_daemon_ends_is_told() {
            scenario::daemon_ends::<$phone>();
        }
    };
}

// Ends are the same in all codecs, and RTP's take half a minute each. The daemon hangs up by a port where the port is the
// call: at pipes Asterisk does, see `asterisk` and the tests of calls, and a sound card, which has no keys, leads to no room
// that hangs up.
conforms!(pipe, crate::phone::PipePhone, ends_by_the_phone);
conforms!(
    audiosocket_16_khz,
    crate::audiosocket::Sender<true>,
    ends_by_the_phone,
    ends_by_the_daemon,
    ends_with_the_daemon
);
conforms!(audiosocket_8_khz, crate::audiosocket::Sender<false>);
conforms!(rtp_ulaw, crate::rtp::RtpPhone<0>);
conforms!(rtp_alaw, crate::rtp::RtpPhone<8>);
conforms!(rtp_g722, crate::rtp::RtpPhone<9>, ends_by_the_phone, ends_by_the_daemon);
conforms!(alsa_mono, crate::alsa::CardPhone<0, 16_000>, ends_by_the_phone);
conforms!(alsa_300_ppm_fast, crate::alsa::CardPhone<300, 16_000>);
conforms!(alsa_300_ppm_slow_stereo, crate::alsa::CardPhone<{ -300 }, 48_000>);

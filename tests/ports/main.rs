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
    ($name:ident, $phone:ty) => {
        conforms!($name, $phone, {});
    };
    // Ends are the same in all codecs, and RTP's take half a minute each.
    ($name:ident, $phone:ty, with_its_ends) => {
        conforms!($name, $phone, {
            #[test]
            fn a_phone_that_hangs_up_leaves_nothing_behind() {
                crate::scenario::phone_hangs_up::<$phone>();
            }

            #[test]
            fn a_phone_that_vanished_and_comes_back_is_served() {
                crate::scenario::phone_comes_back::<$phone>();
            }
        });
    };
    ($name:ident, $phone:ty, { $($ends:item)* }) => {
        mod $name {
            use crate::scenario;

            $($ends)*

            #[test]
            fn every_frame_comes_back_as_it_should_and_in_order() {
                scenario::exact::<$phone>();
            }

            #[test]
            fn what_is_not_heard_is_counted() {
                scenario::accounted::<$phone>();
            }

            #[test]
            fn a_phone_whose_daemon_ends_is_told() {
                scenario::daemon_hangs_up::<$phone>();
            }
        }
    };
}

conforms!(pipe, crate::phone::PipePhone, with_its_ends);
conforms!(audiosocket_16_khz, crate::audiosocket::Sender<true>, with_its_ends);
conforms!(audiosocket_8_khz, crate::audiosocket::Sender<false>);
conforms!(rtp_ulaw, crate::rtp::RtpPhone<0>);
conforms!(rtp_alaw, crate::rtp::RtpPhone<8>);
conforms!(rtp_g722, crate::rtp::RtpPhone<9>, with_its_ends);
conforms!(alsa_mono, crate::alsa::CardPhone<0, 16_000>, with_its_ends);
conforms!(alsa_300_ppm_fast, crate::alsa::CardPhone<300, 16_000>);
conforms!(alsa_300_ppm_slow_stereo, crate::alsa::CardPhone<{ -300 }, 48_000>);

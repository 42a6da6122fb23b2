use std::time::Duration;

use audio_path::Timestamp;

use super::Standing;
use super::engine::PROVEN;

/// A leg that moved is settled after this; until then it moves to the last engine only.
const SETTLED: Duration = Duration::from_secs(60);

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// The engine at this place of the list.
    Engine(usize),
    /// Nothing works: the other side hears the original voice, after a spoken notice. The last engine is asked all the
    /// same, and serves as soon as it answers.
    Original {
        /// Its place in the list.
        trying: usize,
    },
}

/// The ordered list of engines of one (leg, stage), best first, the one on the device last; and which of them serves.
///
/// It leaves an engine when it must, and comes back to a better one at a pause, once that has been healthy for 30
/// seconds. While the last engine works, it moves twice a minute at most: it goes back only when it has not moved for a
/// minute, so that it may have to leave again at once; and having moved, it leaves for the last engine, which does not
/// depend on the link.
#[derive(Debug)]
pub struct Chain {
    last: usize,
    serving: usize,
    /// The last engine gave up, too, and has not answered since.
    lost: bool,
    moved: Option<Timestamp>,
    switches: u64,
}

impl Chain {
    /// A chain of so many engines, the first of which serves; `None` where there is none.
    pub fn new(engines: usize) -> Option<Self> {
        let last = engines.checked_sub(1)?;
        Some(Self { last, serving: 0, lost: false, moved: None, switches: 0 })
    }

    /// Who serves, as [`Self::choose`] or [`Self::fail_over`] decided last.
    pub const fn serving(&self) -> Serving {
        if self.lost { Serving::Original { trying: self.last } } else { Serving::Engine(self.serving) }
    }

    /// How often another engine took over.
    pub const fn switches(&self) -> u64 {
        self.switches
    }

    /// Who serves from now on. `engines` are in the chain's order; `pause` is true where nobody speaks and nothing is
    /// played, so that a change is not heard.
    pub fn choose(&mut self, now: Timestamp, engines: &[Standing], pause: bool) -> Serving {
        let serves = standing(engines, self.serving).serves;
        if self.lost {
            self.find_a_way(now, engines);
        } else if !serves {
            return self.fail_over(now, self.serving, engines);
        } else if pause && self.is_settled(now) {
            let proven = |place: &usize| {
                let Standing { serves, healthy_since } = standing(engines, *place);
                serves && healthy_since.is_some_and(|since| now.since(since) >= PROVEN)
            };
            let better = (0..self.serving).find(proven);
            self.switch(now, better.unwrap_or(self.serving));
        }
        self.serving()
    }

    /// The engine at `from` failed this leg for good: who serves instead. Nothing changes where it was not serving.
    pub fn fail_over(&mut self, now: Timestamp, from: usize, engines: &[Standing]) -> Serving {
        if from != self.serving {
            return self.serving();
        }
        if self.serving == self.last {
            self.lost = true;
            self.find_another(now, engines);
        } else {
            let spare = |place: &usize| {
                *place == self.last || (*place != self.serving && standing(engines, *place).serves)
            };
            let next = if self.is_settled(now) { (0..=self.last).find(spare) } else { None };
            self.switch(now, next.unwrap_or(self.last));
            if !standing(engines, self.serving).serves {
                self.lost = true;
                self.find_another(now, engines);
            }
        }
        self.serving()
    }

    /// Whatever answers serves at once.
    fn find_a_way(&mut self, now: Timestamp, engines: &[Standing]) {
        let last = standing(engines, self.last);
        if last.serves && last.healthy_since.is_some() {
            self.lost = false;
        } else {
            self.find_another(now, engines);
        }
    }

    fn find_another(&mut self, now: Timestamp, engines: &[Standing]) {
        let works = |place: &usize| {
            let Standing { serves, healthy_since } = standing(engines, *place);
            serves && healthy_since.is_some()
        };
        if let Some(place) = (0..self.last).find(works) {
            self.lost = false;
            self.switch(now, place);
        }
    }

    fn switch(&mut self, now: Timestamp, place: usize) {
        if place != self.serving {
            self.serving = place;
            self.switches += 1;
            self.moved = Some(now);
        }
    }

    fn is_settled(&self, now: Timestamp) -> bool {
        self.moved.is_none_or(|moved| now.since(moved) >= SETTLED)
    }
}

/// An engine that is not told of does not serve.
fn standing(engines: &[Standing], place: usize) -> Standing {
    engines.get(place).copied().unwrap_or(Standing { serves: false, healthy_since: None })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: Standing = Standing { serves: true, healthy_since: Some(Timestamp::from_nanos(0)) };
    const DOWN: Standing = Standing { serves: false, healthy_since: None };

    fn at(secs: u64) -> Timestamp {
        Timestamp::default() + Duration::from_secs(secs)
    }

    fn good_since(secs: u64) -> Standing {
        Standing { serves: true, healthy_since: Some(at(secs)) }
    }

    fn chain(engines: usize) -> Chain {
        Chain::new(engines).expect("there are engines")
    }

    #[test]
    fn the_next_best_that_serves_takes_over() {
        let mut chain = chain(3);
        assert_eq!(chain.choose(at(100), &[GOOD; 3], true), Serving::Engine(0));
        assert_eq!(chain.choose(at(100), &[DOWN, GOOD, GOOD], false), Serving::Engine(1));
        assert_eq!(chain.switches(), 1);
        let mut other = Chain::new(3).expect("there are engines");
        assert_eq!(other.fail_over(at(100), 0, &[GOOD, DOWN, GOOD]), Serving::Engine(2));
    }

    #[test]
    fn it_goes_back_after_thirty_good_seconds_and_only_at_a_pause() {
        let mut chain = chain(2);
        chain.fail_over(at(100), 0, &[DOWN, GOOD]);
        let back = [good_since(131), GOOD];
        assert_eq!(chain.choose(at(160), &back, true), Serving::Engine(1), "healthy for 29 s");
        assert_eq!(chain.choose(at(161), &back, false), Serving::Engine(1), "no pause");
        assert_eq!(chain.choose(at(162), &back, true), Serving::Engine(0));
    }

    #[test]
    fn having_moved_it_stays_for_a_minute_and_leaves_for_the_last() {
        let mut chain = chain(3);
        chain.fail_over(at(100), 0, &[DOWN, GOOD, GOOD]);
        let all_good = [good_since(101), GOOD, GOOD];
        assert_eq!(chain.choose(at(159), &all_good, true), Serving::Engine(1));
        assert_eq!(chain.choose(at(160), &all_good, true), Serving::Engine(0));
        assert_eq!(chain.fail_over(at(161), 0, &[DOWN, GOOD, GOOD]), Serving::Engine(2));
    }

    #[test]
    fn where_nothing_works_the_original_is_heard_until_something_does() {
        let mut chain = chain(2);
        chain.fail_over(at(100), 0, &[DOWN, GOOD]);
        assert_eq!(chain.fail_over(at(101), 1, &[DOWN, DOWN]), Serving::Original { trying: 1 });
        assert_eq!(chain.choose(at(102), &[DOWN, DOWN], true), Serving::Original { trying: 1 });
        let untried = Standing { serves: true, healthy_since: None };
        assert_eq!(chain.choose(at(103), &[untried, untried], true), Serving::Original { trying: 1 });
        assert_eq!(chain.choose(at(104), &[DOWN, good_since(104)], false), Serving::Engine(1));
        chain.fail_over(at(105), 1, &[DOWN, DOWN]);
        assert_eq!(chain.choose(at(106), &[good_since(106), DOWN], false), Serving::Engine(0));
    }

    #[test]
    fn a_chain_has_an_engine() {
        assert!(Chain::new(0).is_none());
        assert_eq!(chain(1).fail_over(at(1), 0, &[DOWN]), Serving::Original { trying: 0 });
        assert_eq!(chain(2).choose(at(1), &[], true), Serving::Original { trying: 1 });
    }

    proptest! {
        /// However the engines before the last one come and go, and whatever is known of them.
        #[test]
        fn while_the_last_engine_works_there_are_two_moves_a_minute(
            engines in 2_usize..5,
            steps in proptest::collection::vec(
                (0_u64..20, any::<bool>(), any::<bool>(), proptest::collection::vec(any::<bool>(), 4)),
                1..200,
            ),
        ) {
            let mut chain = chain(engines);
            let (mut now, mut moves) = (100, Vec::new());
            for (wait, pause, gives_up, up) in steps {
                now += wait;
                let mut standings: Vec<_> = up.iter().map(|&up| if up { GOOD } else { DOWN }).collect();
                standings.truncate(engines);
                standings[engines - 1] = GOOD;
                let before = chain.switches();
                match chain.serving() {
                    Serving::Engine(place) if gives_up && place < engines - 1 => {
                        chain.fail_over(at(now), place, &standings);
                    }
                    _ => {}
                }
                let serving = chain.choose(at(now), &standings, pause);
                moves.extend((before..chain.switches()).map(|_| now));
                prop_assert!(moves.iter().filter(|&&then| then + 60 > now).count() <= 2);
                let Serving::Engine(place) = serving else { panic!("the last engine works") };
                prop_assert!(standings[place].serves);
            }
        }
    }
}

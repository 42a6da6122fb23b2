//! What all parts of the daemon share: the legs there are, and the place where events are told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audio_path::{LegId, MediaEvent, MediaEventKind, SegmentId, Timestamp};
use serde_json::{Value, json};
use session::room::Remembered;
use session::{Event, Language, Telling, Text, Unsaid};
use tokio::sync::{Notify, broadcast, mpsc, oneshot};

use crate::apps::Apps;
use crate::asterisk::{Asterisk, Cause, Change, LegEvent, Refusal};
use crate::clients::Outside;
use crate::config::{self, Caller, Config, Directory, Room, RoomKind};
use crate::leg::Line;
use crate::leg_name::LegName;
use crate::logging::notify_systemd;
use crate::media::{LegShared, Media, Queue};
use crate::memory::Memory;
use crate::recording::Recorder;
use crate::report::{self, Report};
use crate::rooms::{Pauses, Rooms};
use crate::supervision::{self, Part, Parts};
use crate::tally::{FrameTotals, LegTally, Tally};
use crate::tap::{Joined, RoomName, RoomTap, Taps};
use crate::web::offers::Offers;

/// Lines that a reader of the control socket may be behind before it is cut off.
const MOST_LINES_BEHIND: usize = 1_024;
/// Wishes that may wait for a leg's task.
const MOST_WISHES: usize = 16;
/// Media events that may wait for a leg's task.
const MOST_MEDIA_EVENTS: usize = 64;

/// The moment it is now.
pub fn now() -> Timestamp {
    Timestamp::from_nanos(rt_sys::monotonic_nanos())
}

/// Shared by all tasks of the daemon.
pub struct Hub {
    /// The configuration as it was when the daemon started.
    pub config: Config,
    /// Its part that may have changed since.
    directory: Mutex<Arc<Directory>>,
    /// The media thread.
    pub media: Media,
    /// The telephone side.
    pub asterisk: Asterisk,
    /// The engines, and how they do.
    pub outside: Outside,
    /// What happened in calls, counted.
    pub tally: Tally,
    /// What is known of callers for as long as their calls last.
    pub(crate) memory: Memory,
    /// What records calls.
    pub recorder: Recorder,
    /// Who listens in on rooms.
    pub taps: Arc<Taps>,
    /// Programs of the box.
    pub(crate) apps: Apps,
    /// The rooms that several legs are in.
    pub(crate) rooms: Rooms,
    /// Who may not try a PIN now.
    pauses: Mutex<Pauses>,
    /// New phones' accounts.
    pub(crate) offers: Offers,
    started: Timestamp,
    health_at: Mutex<Option<SocketAddr>>,
    /// What can be started anew alone.
    pub(crate) parts: Parts,
    legs: Mutex<Legs>,
    lines: broadcast::Sender<Arc<str>>,
}

#[derive(Default)]
struct Legs {
    live: BTreeMap<LegId, Entry>,
    /// Those that ended while the media thread may still count for them.
    leaving: Vec<Arc<LegShared>>,
    /// What was counted for those that ended.
    over: FrameTotals,
}

/// A leg as others see it.
struct Entry {
    id: String,
    /// Who is at it, where it is a port's.
    caller: Option<Caller>,
    room: Room,
    since: Timestamp,
    shared: Arc<LegShared>,
    inbox: Inbox,
}

/// How a leg's task is told things.
#[derive(Clone)]
pub struct Inbox {
    /// Frames may have been captured.
    pub captured: Arc<Notify>,
    /// A side of its port went away.
    pub port_down: Arc<Notify>,
    /// The call is to end.
    pub dismissed: Arc<Notify>,
    /// What its speakers want of their own voices.
    pub wishes: broadcast::Sender<Wish>,
    playback: mpsc::Sender<MediaEvent>,
    words: mpsc::Sender<Words>,
}

/// Where a leg's task takes what it is told.
pub struct Outlet {
    /// What happens to what is played.
    pub playback: mpsc::Receiver<MediaEvent>,
    /// What the room is to hear.
    pub words: mpsc::Receiver<Words>,
}

/// In which languages a text is said, or why it is not.
pub type Outcome = Result<Vec<Language>, Unsaid>;

/// A text that everybody in a room is to hear, and who wants to know whether he will.
#[derive(Debug)]
pub struct Words {
    text: String,
    language: Language,
    sound: Option<Arc<[i16]>>,
    told: oneshot::Sender<Outcome>,
}

impl Words {
    /// Has it said, and tells what came of that. Its sound, 16 kHz mono, and what waits for it.
    pub fn say(
        self,
        say: impl FnOnce(Text<'_>) -> Result<Telling, Unsaid>,
    ) -> Option<(SegmentId, Arc<[i16]>)> {
        let Self { text, language, sound, told } = self;
        let said = say(Text { words: &text, language, is_voiced: sound.is_some() });
        let voiced = said.as_ref().ok().and_then(|telling| telling.voiced);
        let _nobody_asks_any_more = told.send(said.map(|telling| telling.languages));
        voiced.zip(sound)
    }
}

/// What a caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// What a key of the phone stands for.
    Key(char),
    /// He consents to be heard in his own voice, or does not, or not any more.
    Consent {
        /// The language that he speaks.
        language: Language,
        /// Whether he consents.
        yes: bool,
    },
}

impl Inbox {
    /// An inbox, and the end from which its task takes what it is told.
    pub fn new() -> (Self, Outlet) {
        let (playback, events) = mpsc::channel(MOST_MEDIA_EVENTS);
        let (words, texts) = mpsc::channel(MOST_WISHES);
        let (wishes, _) = broadcast::channel(MOST_WISHES);
        let inbox = Self {
            captured: Arc::default(),
            port_down: Arc::default(),
            dismissed: Arc::default(),
            wishes,
            playback,
            words,
        };
        (inbox, Outlet { playback: events, words: texts })
    }
}

impl Hub {
    /// A hub without legs.
    pub fn new(config: Config, media: Media, outside: Outside) -> Self {
        let (lines, _) = broadcast::channel(MOST_LINES_BEHIND);
        Self {
            asterisk: Asterisk::new(config.asterisk.is_some()),
            recorder: Recorder::start(config.recording.as_ref()),
            directory: Mutex::new(Arc::new(config.directory.clone())),
            config,
            media,
            outside,
            tally: Tally::default(),
            memory: Memory::default(),
            taps: Arc::default(),
            apps: Apps::default(),
            rooms: Rooms::default(),
            pauses: Mutex::default(),
            offers: Offers::default(),
            started: now(),
            health_at: Mutex::default(),
            parts: Parts::default(),
            legs: Mutex::default(),
            lines,
        }
    }

    /// Who can be called beside the rooms.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads anew who can be called: the phones and the way outside. Calls that stand go on as they began; all else in the
    /// configuration is read when the daemon starts. How many phones there are.
    ///
    /// # Errors
    /// Where the file is no good configuration; who could be called before still can.
    pub fn reload(&self) -> Result<usize, String> {
        let directory = config::load(&self.config.file).map_err(|error| error.to_string())?.directory;
        let phones = directory.phones.len();
        *self.directory.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(directory);
        log::info!("read anew who can be called: {phones} phones");
        Ok(phones)
    }

    /// Something happened to the leg of that id.
    pub fn leg_happened(&self, id: &str, event: LegEvent) {
        let change = self.asterisk.calls().happened(id, event, now());
        if let Some(change) = change {
            self.changed(change);
        }
    }

    /// The leg `id`, or whoever would have been at it, is not served.
    pub fn refused(&self, id: &str, reason: &str) {
        let name = LegName::parse(id).ok();
        let phone = name.and_then(|name| name.phone).map(str::to_owned);
        let dialled = name.map_or(id, |name| name.dialled).to_owned();
        let refusal = Refusal { at: now(), phone, dialled, reason: reason.to_owned() };
        let change = self.asterisk.calls().refused(refusal);
        self.changed(change);
    }

    /// Whoever is at the leg `leg` entered too many wrong PINs, and waits before he may enter others.
    pub(crate) fn refuse_at_the_door(&self, leg: LegId) {
        let Some(id) = self.legs().live.get(&leg).map(|entry| entry.id.clone()) else { return };
        self.refused(&id, "wrong PIN three times");
        if let Ok(name) = LegName::parse(&id) {
            self.pauses().begin(now(), name.phone, name.dialled);
        }
    }

    /// How long a leg of this name has to wait before a PIN may be entered there.
    pub(crate) fn pause_left(&self, name: LegName<'_>) -> Option<Duration> {
        self.pauses().left(now(), name.phone, name.dialled)
    }

    fn pauses(&self) -> MutexGuard<'_, Pauses> {
        // A panic elsewhere leaves the list whole: it is changed in single steps.
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what changed on the telephone side.
    pub(crate) fn changed(&self, change: Change) {
        let report = match change {
            Change::Leg { id, state } => {
                let phone = LegName::parse(&id).ok().and_then(|name| name.phone.map(str::to_owned));
                json!({ "id": id, "phone": phone, "state": state.name() })
            }
            Change::Refused(Refusal { phone, dialled, reason, .. }) => {
                let who = phone.as_deref().unwrap_or("a caller");
                log::info!("{who} dialled {dialled} and is refused: {reason}");
                json!({ "phone": phone, "dialled": dialled, "reason": reason })
            }
        };
        let kind = if report.get("state").is_some() { "leg_state" } else { "refused" };
        self.tell(&Report::new(kind, report));
    }

    /// Tells an event to whoever listens.
    pub fn tell(&self, report: &Report) {
        // Nobody listening is no fault.
        let _listeners = self.lines.send(report.line(now()).into());
    }

    /// Tells what happened in the session of the leg `leg`.
    pub fn tell_session(&self, leg: LegId, tally: &mut LegTally, event: &Event) {
        if let Event::Error { component, message } = event {
            // The message may quote the caller, and what is said in a call is nobody's above debug.
            log::warn!("leg {}: {} failed, something that was said is lost", leg.0, component.name());
            log::debug!("leg {}: {message}", leg.0);
        }
        tally.count(&self.tally, event);
        self.tell(&Report::session(leg, event));
    }

    /// A room was opened; what happens in it is told there.
    pub(crate) fn open_room(&self, room: RoomName) -> RoomTap {
        self.recorder.record(&self.taps, &room, &self.directory().phones);
        self.taps.open(room)
    }

    /// The leg `leg` is translated from now on, or no longer.
    pub fn translates(&self, leg: LegId, yes: bool) {
        let id = self.legs().live.get(&leg).map(|entry| entry.id.clone());
        if let Some(id) = id {
            self.leg_happened(&id, LegEvent::Translates(yes));
        }
    }

    /// This is to be remembered of the caller at the leg `leg`.
    pub(crate) fn remember(&self, leg: LegId, known: Remembered) {
        if let Some(entry) = self.legs().live.get(&leg) {
            self.memory.keep(&entry.id, known);
        }
    }

    /// All lines told from now on.
    pub fn listen(&self) -> broadcast::Receiver<Arc<str>> {
        self.lines.subscribe()
    }

    /// Lists a leg.
    pub fn enter(&self, leg: LegId, line: &Line, room: &Room, shared: &Arc<LegShared>, inbox: &Inbox) {
        let (id, caller, room) = (line.id.clone(), line.caller.clone(), room.clone());
        let (shared, inbox) = (Arc::clone(shared), inbox.clone());
        let report = Report::new("leg_up", json!({ "leg": leg.0, "id": id, "room": room.extension }));
        self.legs().live.insert(leg, Entry { id, caller, room, since: now(), shared, inbox });
        self.tell(&report);
        self.leg_happened(&line.id, LegEvent::Answered);
        self.show_count();
    }

    /// Takes a leg off the list; `session` is what its session counted, if it had one.
    pub fn leave(&self, leg: LegId, session: &Value) {
        let Some(entry) = self.legs().leave(leg) else { return };
        self.tally.call_over(now().since(entry.since));
        let frames = report::frames(&entry.shared);
        log::info!("leg {} ({}) is down: {frames}", leg.0, entry.id);
        let fields = json!({ "leg": leg.0, "id": entry.id, "frames": frames, "session": session });
        self.tell(&Report::new("leg_down", fields));
        self.show_count();
    }

    /// The frames of all legs, those that ended included.
    pub fn frames(&self) -> FrameTotals {
        self.legs().frames()
    }

    /// What waits in each queue of the leg where most does.
    pub(crate) fn deepest_queues(&self) -> [(Queue, u64); Queue::ALL.len()] {
        let legs = self.legs();
        let most = |queue| legs.live.values().map(|entry| entry.shared.depth(queue)).max();
        Queue::ALL.map(|queue| (queue, most(queue).unwrap_or_default()))
    }

    /// How long the daemon runs.
    pub fn uptime(&self) -> Duration {
        now().since(self.started)
    }

    /// Its health is told at `address`.
    pub fn serves_health_at(&self, address: SocketAddr) {
        log::info!("health is told at http://{address}/healthz");
        *self.health_at() = Some(address);
    }

    fn health_at(&self) -> MutexGuard<'_, Option<SocketAddr>> {
        self.health_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that can be started anew alone, legs' workers included.
    pub(crate) fn all_parts(&self) -> impl Iterator<Item = &Part> {
        self.parts.all().into_iter().chain(self.outside.workers())
    }

    /// How many legs there are.
    pub fn count(&self) -> usize {
        self.legs().live.len()
    }

    fn show_count(&self) {
        notify_systemd(&[("STATUS", &format!("legs: {}", self.count()))]);
    }

    /// Tells every leg that frames may have been captured.
    pub fn wake_all(&self) {
        self.legs().live.values().for_each(|entry| entry.inbox.captured.notify_one());
    }

    /// Passes a media event on to its leg.
    pub fn deliver(&self, event: MediaEvent) {
        let Some(inbox) = self.legs().live.get(&event.leg).map(|entry| entry.inbox.clone()) else { return };
        match event.kind {
            MediaEventKind::PortDown => inbox.port_down.notify_one(),
            MediaEventKind::Key(key) => {
                if inbox.wishes.send(Wish::Key(key)).is_err() {
                    log::debug!("leg {}: a key, which its room does not want", event.leg.0);
                }
            }
            MediaEventKind::SegmentStarted(_) | MediaEventKind::SegmentEnded(_) => {
                if inbox.playback.try_send(event).is_err() {
                    log::debug!("leg {} takes no playback events", event.leg.0);
                }
            }
        }
    }

    /// Passes on what a leg's caller wants.
    ///
    /// # Errors
    /// Where there is no such leg, or its room has nothing of the kind.
    pub fn wish(&self, leg: LegId, wish: Wish) -> Result<(), String> {
        let legs = self.legs();
        let entry = legs.live.get(&leg).ok_or_else(|| format!("there is no leg {}", leg.0))?;
        let room = &entry.room.extension;
        if matches!(wish, Wish::Consent { .. }) && entry.room.own_voices.is_none() {
            return Err(format!("the room {room} offers no own voices; set own_voices"));
        }
        let unwanted = |_| format!("the room {room} takes no keys");
        entry.inbox.wishes.send(wish).map(|_| ()).map_err(unwanted)
    }

    /// Has a text said in the rooms that have this key or were dialled so, to who speaks its language in this sound,
    /// where there is one; each tells what came of it.
    pub(crate) fn say(
        &self,
        room: &str,
        (text, language): (&str, Language),
        sound: Option<&Arc<[i16]>>,
    ) -> Vec<oneshot::Receiver<Outcome>> {
        let legs = self.legs();
        let mut asked: Vec<&str> = Vec::new();
        let mut outcomes = Vec::new();
        for entry in legs.live.values() {
            let Some(key) = entry.key().filter(|key| *key == room || entry.room.extension == room) else {
                continue;
            };
            let (told, outcome) = oneshot::channel();
            let words = Words { text: text.to_owned(), language, sound: sound.cloned(), told };
            if !asked.contains(&key) && entry.inbox.words.try_send(words).is_ok() {
                asked.push(key);
                outcomes.push(outcome);
            }
        }
        outcomes
    }

    /// The rooms that somebody is in, and the numbers that can be dialled.
    pub(crate) fn rooms_report(&self) -> Value {
        let rooms: Vec<Value> =
            self.taps.rooms().iter().map(|(room, legs)| report::room(room, legs)).collect();
        let numbers: Vec<Value> = self.config.rooms.iter().map(room_status).collect();
        json!({ "rooms": rooms, "numbers": numbers })
    }

    /// Hangs a leg's phone up.
    pub(crate) fn dismiss(&self, leg: LegId) {
        if let Some(entry) = self.legs().live.get(&leg) {
            log::info!("leg {} ({}) is dismissed", leg.0, entry.id);
            entry.inbox.dismissed.notify_one();
            if let Ok(name) = LegName::parse(&entry.id) {
                self.asterisk.hang_up(name.channel, Cause::Normal);
            }
        }
    }

    /// Passes on a key of the phone whose pipes are called `id`; keys that nobody waits for do nothing.
    pub(crate) fn key(&self, id: &str, key: char) {
        let legs = self.legs();
        if let Some(entry) = legs.live.values().find(|entry| entry.id == id)
            && entry.inbox.wishes.send(Wish::Key(key)).is_err()
        {
            log::debug!("{id}: a key, which its room does not want");
        }
    }

    /// The line that a reader gets first: the state of everything.
    pub fn status(&self) -> String {
        let mut legs: Vec<Value> = self.legs().live.iter().map(|(leg, entry)| entry.status(*leg)).collect();
        let mut arriving = self.asterisk.complete(&mut legs);
        let directory = self.directory();
        for leg in legs.iter_mut().chain(&mut arriving) {
            let Some(number) = leg["phone"].as_str().map(str::to_owned) else { continue };
            if let Some(language) = directory.language_at(&number) {
                leg["language"] = json!(language.to_string());
                leg["name"] = json!(directory.phone(&number).map_or("outside", |phone| &phone.name));
            }
        }
        // In a room a key may have chosen another.
        for Joined { leg, language, .. } in self.taps.rooms().into_iter().flat_map(|(_, joined)| joined) {
            let shown = legs.iter_mut().find(|shown| shown["leg"] == leg.0);
            if let Some((shown, language)) = shown.zip(language) {
                shown["language"] = json!(language.to_string());
            }
        }
        let rooms: Vec<Value> = self.config.rooms.iter().map(room_status).collect();
        let fields = json!({
            "arriving": arriving,
            "asterisk": self.asterisk.status(now()),
            "most_legs": self.config.most_legs,
            "uptime_s": self.uptime().as_secs(),
            "version": env!("CARGO_PKG_VERSION"),
            "engines": report::engines(&self.outside.report()),
            "glossary": self.outside.glossary_report(),
            "health": self.health_at().map(|address| address.to_string()),
            "recording": self.recorder.report(),
            "own_voices": self.outside.transport.profiles.report(),
            "translation_cache": self.outside.translations.report(),
            "listeners_cut_off": self.taps.cut_off(),
            "notices": self.outside.notices.count(),
            "resets": supervision::report(self.all_parts()),
            "legs": legs,
            "media": self.media.status(),
            "rooms": rooms,
        });
        Report::new("status", fields).line(now())
    }

    /// The line that a reader of the control socket gets who is not served.
    pub fn refusal(&self, reason: &str) -> String {
        Report::error("control", reason).line(now())
    }

    fn legs(&self) -> MutexGuard<'_, Legs> {
        // A panic elsewhere leaves the lists whole: they are changed in single steps.
        self.legs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Legs {
    fn leave(&mut self, leg: LegId) -> Option<Entry> {
        let entry = self.live.remove(&leg)?;
        self.leaving.push(Arc::clone(&entry.shared));
        self.settle();
        Some(entry)
    }

    /// What only this list still holds is counted for the last time.
    fn settle(&mut self) {
        let gone = |shared: &mut Arc<LegShared>| Arc::strong_count(shared) == 1;
        for shared in self.leaving.extract_if(.., gone) {
            self.over.add(&shared.counters);
        }
    }

    fn frames(&mut self) -> FrameTotals {
        self.settle();
        let mut totals = self.over;
        let live = self.live.values().map(|entry| &entry.shared);
        live.chain(&self.leaving).for_each(|shared| totals.add(&shared.counters));
        totals
    }
}

impl Entry {
    /// The key of the room that it is in, where something can be said there.
    fn key(&self) -> Option<&str> {
        match self.room.kind {
            RoomKind::Interpreter(..) => Some(&self.id),
            RoomKind::Conference(_) => Some(&self.room.extension),
            RoomKind::Call(_) => LegName::parse(&self.id).ok()?.call,
            RoomKind::Echo | RoomKind::EchoDirect => None,
        }
    }

    fn status(&self, leg: LegId) -> Value {
        let mut status = json!({
            "leg": leg.0, "id": self.id, "room": self.room.extension,
            "up_s": now().since(self.since).as_secs(), "frames": report::frames(&self.shared),
            "queues": report::queues(&self.shared),
        });
        if let Some(Caller { language: Some(language), name, .. }) = &self.caller {
            status["language"] = json!(language.to_string());
            status["name"] = json!(name);
        }
        status
    }
}

fn room_status(room: &Room) -> Value {
    let languages = match room.kind {
        RoomKind::Interpreter(pair, _) => pair.both().map(|l| l.to_string()).to_vec(),
        _ => Vec::new(),
    };
    json!({ "extension": room.extension, "kind": room.kind.name(), "languages": languages })
}

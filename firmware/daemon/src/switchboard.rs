use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use crate::asterisk::{Cause, LegEvent};
use crate::config::{Caller, Config, Directory, Room, RoomKind};
use crate::hub::Hub;
use crate::leg::{self, Destination, Line};
use crate::leg_name::LegName;
use crate::media::MediaEvents;
use crate::rooms::Place;
use crate::supervision::end_of;
use crate::watcher::{Sighting, Watcher};

/// Starts a leg for each pair of pipes, ends it with them, and passes on what the media thread says.
pub(crate) struct Switchboard {
    hub: Arc<Hub>,
    watcher: Watcher,
    media: MediaEvents,
    /// Calls that come in otherwise than through pipes.
    lines: mpsc::Receiver<Line>,
    legs: HashMap<String, Leg>,
}

struct Leg {
    down: Arc<Notify>,
    of_pipes: bool,
    task: JoinHandle<()>,
}

impl Switchboard {
    pub(crate) fn new(
        hub: Arc<Hub>,
        watcher: Watcher,
        media: MediaEvents,
        lines: mpsc::Receiver<Line>,
    ) -> Self {
        Self { hub, watcher, media, lines, legs: HashMap::new() }
    }

    /// Serves until the directory of pipes or the media thread is lost.
    pub(crate) async fn run(&mut self) -> io::Result<()> {
        let hub = Arc::clone(&self.hub);
        for id in self.watcher.scan()? {
            self.appeared(Line::of_pipes(&id));
        }
        loop {
            tokio::select! {
                woken = self.media.wait() => {
                    woken?;
                    self.pass_on();
                }
                sighting = self.watcher.next() => self.sighted(sighting?),
                () = hub.asterisk.some_to_let_go.notified() => {
                    hub.asterisk.to_let_go().iter().for_each(|id| self.vanished(id));
                }
                Some(line) = self.lines.recv() => self.appeared(line),
            }
        }
    }

    /// Ends all legs and waits for them.
    pub(crate) async fn hang_up(&mut self) {
        let legs: Vec<Leg> = self.legs.drain().map(|(_, leg)| leg).collect();
        for leg in &legs {
            leg.down.notify_one();
        }
        for leg in legs {
            if let Err(error) = leg.task.await {
                log::error!("a leg's task failed: {}", end_of(&error));
            }
        }
    }

    fn pass_on(&mut self) {
        while let Some(event) = self.media.next_event() {
            self.hub.deliver(event);
        }
        self.hub.wake_all();
    }

    fn sighted(&mut self, sighting: Sighting) {
        match sighting {
            Sighting::Appeared(id) => self.appeared(Line::of_pipes(&id)),
            Sighting::Vanished(id) => self.vanished(&id),
            Sighting::Rescanned(present) => {
                let gone: Vec<String> = self
                    .legs
                    .iter()
                    .filter(|(id, leg)| leg.of_pipes && !present.contains(*id))
                    .map(|(id, _)| id.clone())
                    .collect();
                for id in &gone {
                    self.vanished(id);
                }
                for id in &present {
                    self.appeared(Line::of_pipes(id));
                }
            }
        }
    }

    fn appeared(&mut self, line: Line) {
        self.legs.retain(|_, leg| !leg.task.is_finished());
        let id = line.id.clone();
        if self.legs.contains_key(&id) {
            return;
        }
        let of_pipes = line.is_of_pipes();
        self.hub.leg_happened(&id, if of_pipes { LegEvent::Rings } else { LegEvent::Comes });
        let to = match self.destination(&line) {
            Ok(to) => to,
            Err((reason, cause)) => {
                leg::turn_away(&self.hub, &id, &reason, cause);
                // Pipes stay until Asterisk removes them; of anything else nothing is left.
                if !of_pipes {
                    self.hub.leg_happened(&id, LegEvent::Gone);
                }
                return;
            }
        };
        if of_pipes {
            self.hub.memory.expect(&id);
        }
        let down = Arc::new(Notify::new());
        let task = tokio::spawn(leg::supervise(Arc::clone(&self.hub), line, to, Arc::clone(&down)));
        self.legs.insert(id, Leg { down, of_pipes, task });
    }

    fn destination(&self, line: &Line) -> Result<Destination, (String, Cause)> {
        let name = LegName::parse(&line.id).map_err(|reason| (reason.to_owned(), Cause::Failed))?;
        let directory = self.hub.directory();
        let room = room(&self.hub.config, &directory, name).map_err(|reason| (reason, Cause::Unknown))?;
        let to = destination(&directory, room, name, line.caller.as_ref())
            .map_err(|reason| (reason, Cause::Failed))?;
        let asks = to.place.as_ref().is_some_and(|place| place.pin.is_some());
        if let Some(left) = self.hub.pause_left(name).filter(|_| asks) {
            let reason =
                format!("wrong PIN three times: this phone may try again in {} s", left.as_secs() + 1);
            return Err((reason, Cause::Busy));
        }
        let most = self.hub.config.most_legs;
        if self.legs.len() >= usize::from(most) {
            let reason = format!("all {most} legs are in use; calls.most says how many there may be");
            return Err((reason, Cause::Busy));
        }
        Ok(to)
    }

    fn vanished(&mut self, id: &str) {
        self.hub.leg_happened(id, LegEvent::Gone);
        self.hub.memory.forget(id);
        if let Some(leg) = self.legs.remove(id) {
            leg.down.notify_one();
        }
    }
}

/// Where in `room` a leg of this name belongs.
fn destination(
    directory: &Directory,
    room: Room,
    name: LegName<'_>,
    caller: Option<&Caller>,
) -> Result<Destination, String> {
    let (RoomKind::Conference(several) | RoomKind::Call(several)) = room.kind else {
        return Ok(Destination { room, place: None });
    };
    let of_caller = caller.and_then(|caller| caller.language);
    let language = of_caller.or_else(|| directory.language_at(name.phone?)).ok_or_else(|| {
        let phone = name.phone.unwrap_or("it");
        format!("which language is spoken is not known: {phone} is no phone; see `dragoman phones list`")
    })?;
    let is_call = matches!(room.kind, RoomKind::Call(_));
    let key = name.call.filter(|_| is_call).unwrap_or(name.dialled).to_owned();
    let pin = room.pin.clone();
    let phone = name.phone.and_then(|phone| directory.phone(phone));
    let voice = phone.and_then(|phone| phone.voice.as_deref()).map(Arc::from);
    Ok(Destination { room, place: Some(Place { key, several, is_call, pin, language, voice }) })
}

fn room(
    config: &Config,
    directory: &Directory,
    LegName { dialled, call, .. }: LegName<'_>,
) -> Result<Room, String> {
    if let Some(room) = config.rooms.iter().find(|room| room.extension == dialled) {
        return Ok(room.clone());
    }
    if call.is_none() {
        return Err(format!("no room is dialled as {dialled}; add a [[room]] or dial another"));
    }
    if !directory.leads_to(dialled) {
        return Err(format!("{dialled} is no phone; see `dragoman phones list`"));
    }
    let kind = RoomKind::Call(config.calls);
    Ok(Room { extension: dialled.to_owned(), kind, own_voices: None, pin: None })
}

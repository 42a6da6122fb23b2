use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::hub::Hub;
use crate::leg::{self, Line};
use crate::leg_name::LegName;
use crate::media::MediaEvents;
use crate::watcher::{Sighting, Watcher};

/// Starts a leg for each pair of pipes, ends it with them, and passes on what the media thread says.
pub(crate) struct Switchboard {
    hub: Arc<Hub>,
    watcher: Watcher,
    media: MediaEvents,
    legs: HashMap<String, Leg>,
}

struct Leg {
    down: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Switchboard {
    pub(crate) fn new(hub: Arc<Hub>, watcher: Watcher, media: MediaEvents) -> Self {
        Self { hub, watcher, media, legs: HashMap::new() }
    }

    /// Serves until the directory of pipes or the media thread is lost.
    pub(crate) async fn run(&mut self) -> io::Result<()> {
        for id in self.watcher.scan()? {
            self.appeared(&id);
        }
        loop {
            tokio::select! {
                woken = self.media.wait() => {
                    woken?;
                    self.pass_on();
                }
                sighting = self.watcher.next() => self.sighted(sighting?),
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
                log::error!("a leg's task failed: {error}");
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
            Sighting::Appeared(id) => self.appeared(&id),
            Sighting::Vanished(id) => self.vanished(&id),
            Sighting::Rescanned(present) => {
                let gone: Vec<String> =
                    self.legs.keys().filter(|id| !present.contains(*id)).cloned().collect();
                for id in &gone {
                    self.vanished(id);
                }
                for id in &present {
                    self.appeared(id);
                }
            }
        }
    }

    fn appeared(&mut self, id: &str) {
        self.legs.retain(|_, leg| !leg.task.is_finished());
        if self.legs.contains_key(id) {
            return;
        }
        let room = LegName::parse(id).map_err(str::to_owned).and_then(|LegName { dialled, .. }| {
            let room = self.hub.room(dialled);
            room.ok_or_else(|| format!("no room is dialled as {dialled}; add a [[room]] or dial another"))
        });
        let room = match room {
            Ok(room) => room.clone(),
            Err(reason) => return leg::refuse(&self.hub, id, &reason),
        };
        let down = Arc::new(Notify::new());
        let line = Line::of_pipes(id);
        let task = tokio::spawn(leg::supervise(Arc::clone(&self.hub), line, room, Arc::clone(&down)));
        self.legs.insert(id.to_owned(), Leg { down, task });
    }

    fn vanished(&mut self, id: &str) {
        if let Some(leg) = self.legs.remove(id) {
            leg.down.notify_one();
        }
    }
}

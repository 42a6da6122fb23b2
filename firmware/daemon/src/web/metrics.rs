use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;

use engines::FailureKind;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use session::recovery::{RecoveryCounts, Tier};

use crate::clients::EngineReport;
use crate::hub::Hub;
use crate::tally::Labels;

pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Gauges<const N: usize> = Family<Labels<N>, Gauge<f64, AtomicU64>>;

/// All that is known now. What counts elsewhere is read, so that a scrape is all the work there is.
pub(super) fn render(hub: &Hub) -> String {
    let mut registry = Registry::default();
    let engines = hub.outside.report();
    calls(&mut registry, hub);
    frames(&mut registry, hub);
    queues(&mut registry, hub);
    media(&mut registry, hub);
    errors(&mut registry, hub, &engines);
    recoveries(&mut registry, hub, &engines);
    health(&mut registry, &engines);
    kept(&mut registry, hub);
    apps(&mut registry, hub);
    let mut text = String::new();
    if let Err(error) = encode(&mut text, &registry) {
        // A comment is what a scraper passes over.
        let _infallible = writeln!(text, "# {error}");
    }
    text
}

fn calls(registry: &mut Registry, hub: &Hub) {
    let tally = &hub.tally;
    registry.register(
        "translation_latency_seconds",
        "From the last sample of a clause to its first translated sample, by stage",
        tally.latency.clone(),
    );
    registry.register(
        "translations_completed",
        "Translations heard to their end",
        tally.translations.clone(),
    );
    registry.register("words_translated", "Words of what was translated, as said", tally.words.clone());
    registry.register("channel_duration_seconds", "How long calls lasted", tally.calls.clone());
    if let Some(rate) = hub.outside.translations.counts().hit_rate() {
        gauge(registry, "translation_cache_hit_rate", "Translations that no engine was asked for", rate);
    }
    gauge(registry, "active_channels", "Calls under way", hub.count() as f64);
    gauge(registry, "service_uptime_seconds", "Since the daemon started", hub.uptime().as_secs_f64());
}

fn kept(registry: &mut Registry, hub: &Hub) {
    let (voices, _) = hub.outside.transport.profiles.size();
    gauge(registry, "voice_embedding_cache_size", "Speakers' own voices that are kept", voices as f64);
}

fn frames(registry: &mut Registry, hub: &Hub) {
    let frames = hub.frames();
    let processed = Counter::<u64>::default();
    processed.inc_by(frames.processed);
    registry.register("frames_processed", "Frames of 20 ms passed on, from and to phones", processed);
    let dropped = Counters::default();
    for (reason, count) in frames.dropped() {
        dropped.get_or_create(&[("reason", reason.name().to_owned())]).inc_by(count);
    }
    dropped.get_or_create(&[("reason", "recording".to_owned())]).inc_by(hub.recorder.lost());
    registry.register("frames_dropped", "Frames of 20 ms lost, by reason", dropped);
}

fn queues(registry: &mut Registry, hub: &Hub) {
    let depths = Gauges::default();
    for (queue, depth) in hub.deepest_queues() {
        depths.get_or_create(&[("queue", queue.name().to_owned())]).set(depth as f64);
    }
    registry.register("queue_depth", "The longest of all legs': frames, of mt and tts requests", depths);
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    gauge(registry, "runtime_tasks", "Tasks of the daemon that are alive", tasks as f64);
}

fn media(registry: &mut Registry, hub: &Hub) {
    let late = hub.media.status().late_us;
    let lateness = Gauges::default();
    for (quantile, micros) in [("0.5", late.p50), ("0.99", late.p99), ("1", late.max)] {
        let seconds = f64::from(micros) / 1e6;
        lateness.get_or_create(&[("quantile", quantile.to_owned())]).set(seconds);
    }
    registry.register("media_tick_lateness_seconds", "How late ticks were handled", lateness);
}

fn errors(registry: &mut Registry, hub: &Hub, engines: &[EngineReport]) {
    let errors = Counters::default();
    let add = |component: &str, engine: &str, kind: &str, severity: &str, count| {
        let labels = [
            ("component", component.to_owned()),
            ("engine", engine.to_owned()),
            ("error_type", kind.to_owned()),
            ("severity", severity.to_owned()),
        ];
        errors.get_or_create(&labels).inc_by(count);
    };
    for engine in engines {
        for (kind, count) in engine.failures.iter().filter(|(_, count)| *count > 0) {
            add(engine.stage, &engine.name, kind.name(), severity(*kind), *count);
        }
    }
    for (component, count) in hub.tally.lost().filter(|(_, count)| *count > 0) {
        add(component.name(), "", "lost", "error", count);
    }
    if hub.recorder.faults() > 0 {
        add("recording", "", "disk", "critical", hub.recorder.faults());
    }
    registry.register(
        "errors",
        "Requests that engines failed, and things said that were lost to the listener",
        errors,
    );
}

/// What passes is for another engine to serve around; what does not is for a person.
const fn severity(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Credential | FailureKind::Quota | FailureKind::Certificate => "critical",
        _ => "warning",
    }
}

fn recoveries(registry: &mut Registry, hub: &Hub, engines: &[EngineReport]) {
    let recoveries = Counters::default();
    let add = |component: &str, tier: Tier, counts: RecoveryCounts| {
        for success in [true, false] {
            let labels = [
                ("component", component.to_owned()),
                ("tier", tier.name().to_owned()),
                ("success", success.to_string()),
            ];
            recoveries.get_or_create(&labels).inc_by(counts.get(tier, success));
        }
    };
    for engine in engines {
        for tier in Tier::ALL {
            add(engine.stage, tier, engine.recoveries);
        }
    }
    hub.all_parts().for_each(|part| add(part.name, Tier::Reset, part.recoveries()));
    registry.register(
        "recoveries",
        "What was done about engines that failed, and parts of the daemon that died, by tier",
        recoveries,
    );
}

fn health(registry: &mut Registry, engines: &[EngineReport]) {
    let (health, rates) = (Gauges::default(), Gauges::default());
    for engine in engines {
        let labels = [("component", engine.stage.to_owned()), ("engine", engine.name.clone())];
        health.get_or_create(&labels).set(f64::from(engine.health as u8));
        if let Some(rate) = engine.success_rate {
            rates.get_or_create(&labels).set(rate);
        }
    }
    registry.register(
        "service_health",
        "0 healthy, 1 degraded, 2 unhealthy, 3 failed, over the last minute",
        health,
    );
    registry.register("success_rate", "Part of the last minute's requests that succeeded", rates);
}

fn apps(registry: &mut Registry, hub: &Hub) {
    let (refused, ended) = (Counters::default(), Counters::default());
    for (reason, count) in hub.apps.counts.refused() {
        refused.get_or_create(&[("reason", reason.name().to_owned())]).inc_by(count);
    }
    for (reason, count) in hub.apps.counts.ended() {
        ended.get_or_create(&[("reason", reason.name().to_owned())]).inc_by(count);
    }
    gauge(registry, "apps_connected", "Programs of the box that are connected", hub.apps.connected() as f64);
    registry.register("apps_refused", "Programs that were not let in, by reason", refused);
    registry.register("apps_ended", "Connections of programs that ended, by reason", ended);
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: f64) {
    let gauge = Gauge::<f64, AtomicU64>::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

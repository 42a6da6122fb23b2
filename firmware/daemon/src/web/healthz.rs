use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Serialize;

use super::NOTHING_ELSE;
use crate::clients::EngineReport;
use crate::hub::Hub;

/// What `GET /healthz` answers.
#[derive(Serialize)]
struct Health {
    /// `ok`, `degraded` where something is to be mended while calls are served, `failing` where they are not.
    status: &'static str,
    reasons: Vec<Reason>,
}

/// Something that is to be mended.
#[derive(Serialize)]
struct Reason {
    /// `asr`, `mt`, `tts`, `emotion`, `telephone`, `media`, `recording`, or a part of the daemon.
    stage: &'static str,
    /// As the configuration calls it.
    engine: Option<String>,
    /// `network`, `credential`, …
    kind: &'static str,
    /// What was seen.
    detail: String,
    /// What to do, in words.
    advice: String,
}

pub(super) async fn answer(State(hub): State<Arc<Hub>>) -> impl IntoResponse {
    let health = health(&hub);
    let status = if health.status == "failing" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, NOTHING_ELSE, Json(health))
}

fn health(hub: &Hub) -> Health {
    let engines = hub.outside.report();
    // Nothing is interpreted before the announcement, and that is nobody's who only goes on with what it heard.
    let is_lost = |stage: &str| !engines.iter().any(|e| e.stage == stage && e.alone && e.serves());
    let fails = ["asr", "mt", "tts"].into_iter().any(is_lost);
    let reasons: Vec<Reason> = engines
        .iter()
        .filter_map(engine_fault)
        .chain(telephone(hub))
        .chain(refused_by_kernel(hub))
        .chain(recording(hub))
        .chain(dead_parts(hub))
        .collect();
    let status = match (fails, reasons.is_empty()) {
        (true, _) => "failing",
        (false, false) => "degraded",
        (false, true) => "ok",
    };
    Health { status, reasons }
}

fn engine_fault(engine: &EngineReport) -> Option<Reason> {
    let fault = engine.fault.as_ref()?;
    Some(Reason {
        stage: engine.stage,
        engine: Some(engine.name.clone()),
        kind: fault.kind.name(),
        detail: fault.detail.clone(),
        advice: engine.advice()?,
    })
}

fn telephone(hub: &Hub) -> Option<Reason> {
    Some(Reason {
        stage: "telephone",
        engine: None,
        kind: "down",
        detail: hub.asterisk.fault()?.to_owned(),
        advice: "see whether asterisk runs; calls that stand go on".to_owned(),
    })
}

fn recording(hub: &Hub) -> Option<Reason> {
    Some(Reason {
        stage: "recording",
        engine: None,
        kind: "disk",
        detail: hub.recorder.fault()?,
        advice: "calls go on and are not recorded; make room on the disk, or see recording.directory and \
                 recording.most_mib"
            .to_owned(),
    })
}

fn dead_parts(hub: &Hub) -> impl Iterator<Item = Reason> {
    let dead = hub.all_parts().filter(|part| part.is_dead());
    dead.map(|part| Reason {
        stage: part.name,
        engine: None,
        kind: "fault",
        detail: "it died twice within a minute, of a fault in dragomand".to_owned(),
        advice:
            "it is started anew within a minute, and calls that stand go on; report what the log says of it"
                .to_owned(),
    })
}

fn refused_by_kernel(hub: &Hub) -> impl Iterator<Item = Reason> {
    let refused = hub.media.status().refused.into_iter();
    refused.map(|refused| Reason {
        stage: "media",
        engine: None,
        kind: "real_time",
        detail: refused,
        advice: "calls are served, with less certain timing".to_owned(),
    })
}

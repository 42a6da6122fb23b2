//! Who is let in, and with what wishes.

use axum::Json;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::uuid;
use crate::{Fault, World};

const KEYTERM_TOKENS_AT_MOST: usize = 500;

/// What a parameter may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// `true` or `false`.
    Flag,
    /// A number between these.
    Number(f64, f64),
    /// `false`, or a number from 0.
    Pause,
    /// One of these.
    One(&'static [&'static str]),
    /// Begins so.
    Prefix(&'static str),
    /// Anything but nothing.
    Text,
}

impl Kind {
    fn takes(self, value: &str) -> bool {
        let number = || value.parse::<f64>().ok();
        match self {
            Self::Flag => ["true", "false"].contains(&value),
            Self::Number(least, most) => number().is_some_and(|number| (least..=most).contains(&number)),
            Self::Pause => value == "false" || value.parse::<u32>().is_ok(),
            Self::One(values) => values.contains(&value),
            Self::Prefix(prefix) => value.starts_with(prefix),
            Self::Text => !value.is_empty(),
        }
    }
}

/// The parameters of a connection.
#[derive(Clone, Debug)]
pub(super) struct Wishes(Vec<(String, String)>);

impl Wishes {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?.parse().ok()
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Lets a client in, with what will go wrong on its connection.
pub(super) fn admit(
    world: &World,
    headers: &HeaderMap,
    query: Vec<(String, String)>,
    known: &[(&str, Kind)],
) -> Result<(Wishes, Option<Fault>), Box<Response>> {
    world.tally.count(|counts| counts.requests += 1);
    let fault = world.script.next();
    if let Some(Fault::Refuse { status, retry_after }) = fault {
        return Err(refuse(world, status, retry_after, "scripted").into());
    }
    let key = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = key
        .split_once(' ')
        .filter(|(scheme, _)| ["token", "bearer"].iter().any(|known| scheme.eq_ignore_ascii_case(known)));
    if key.map(|(_, key)| key) != Some(world.key.as_str()) {
        world.tally.violation("the key is wrong or missing");
        return Err(refuse(world, 401, None, "").into());
    }
    let wishes = Wishes(query);
    if let Err(why) = check(&wishes, known) {
        world.tally.violation(&why);
        return Err(refuse(world, 400, None, &why).into());
    }
    if !wishes.is("mip_opt_out") {
        log::info!("a client lets the vendor keep what it sends: no mip_opt_out");
    }
    Ok((wishes, fault))
}

fn check(wishes: &Wishes, known: &[(&str, Kind)]) -> Result<(), String> {
    for (name, value) in &wishes.0 {
        match known.iter().find(|(known, _)| known == name) {
            None => return Err(format!("unknown field `{name}`")),
            Some((_, kind)) if !kind.takes(value) => {
                return Err(format!("invalid value for `{name}`: `{value}`"));
            }
            Some(_) => (),
        }
    }
    for required in ["model", "encoding", "sample_rate"] {
        if wishes.get(required).is_none() {
            return Err(format!("missing field `{required}`"));
        }
    }
    check_keyterms(wishes)
}

/// How the vendor cuts words into tokens is not told; a token for four letters is what most models come to.
fn check_keyterms(wishes: &Wishes) -> Result<(), String> {
    let tokens = |term: &str| term.split_whitespace().map(|word| word.len().div_ceil(4)).sum::<usize>();
    let tokens: usize = wishes.all("keyterm").map(tokens).sum();
    let model = wishes.get("model").unwrap_or_default();
    if tokens > KEYTERM_TOKENS_AT_MOST {
        let most = KEYTERM_TOKENS_AT_MOST;
        return Err(format!(
            "Keyterm limit exceeded. The maximum number of tokens across all keyterms is {most}."
        ));
    }
    if tokens > 0 && !["nova-3", "flux"].iter().any(|known| model.starts_with(known)) {
        return Err(format!("Keyterms are not supported by `{model}`"));
    }
    Ok(())
}

/// As the vendor refuses an upgrade: the reason in the body and in a header.
fn refuse(world: &World, status: u16, retry_after: Option<u32>, detail: &str) -> Response {
    world.tally.count(|counts| counts.refused += 1);
    let (code, message) = match status {
        400 => ("INVALID_QUERY_PARAMETER", format!("Failed to deserialize query parameters: {detail}")),
        401 => ("INVALID_AUTH", "Invalid credentials.".into()),
        402 => {
            let why = "Project does not have enough credits for an ASR request and does not have an overage agreement.";
            ("ASR_PAYMENT_REQUIRED", why.into())
        }
        403 => ("INSUFFICIENT_PERMISSIONS", "Project does not have access to the requested model.".into()),
        429 => ("TOO_MANY_REQUESTS", "Too many requests. Please try again later".into()),
        _ => ("INTERNAL_SERVER_ERROR", "Internal server error.".into()),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let id = uuid();
    let mut headers = vec![
        (HeaderName::from_static("dg-request-id"), id.clone()),
        (HeaderName::from_static("dg-error"), message.clone()),
    ];
    headers.extend(retry_after.map(|seconds| (header::RETRY_AFTER, seconds.to_string())));
    let mut response =
        (status, Json(json!({"err_code": code, "err_msg": message, "request_id": id}))).into_response();
    for (name, value) in headers {
        // A foreign value may hold what no header can; the body has it all the same.
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_and_values_are_refused() {
        let known = [
            ("model", Kind::Prefix("nova")),
            ("encoding", Kind::One(&["linear16"])),
            ("sample_rate", Kind::Number(8_000.0, 48_000.0)),
            ("endpointing", Kind::Pause),
            ("keyterm", Kind::Text),
        ];
        let check = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
            check(&Wishes(pairs.collect()), &known)
        };
        let format = [("model", "nova-3"), ("encoding", "linear16"), ("sample_rate", "16000")];
        assert_eq!(check(&format), Ok(()));
        for more in [("endpointing", "yes"), ("endpointing", "-3"), ("x", "1"), ("sample_rate", "nan")] {
            assert!(check(&[&format[..], &[more]].concat()).is_err(), "{more:?}");
        }
        assert!(check(&format[..2]).is_err());
        let with = |model, terms: usize| {
            let mut pairs = vec![("model", model), format[1], format[2]];
            pairs.extend(std::iter::repeat_n(("keyterm", "ring main"), terms));
            check(&pairs)
        };
        assert!(with("nova-3", 250).is_ok() && with("nova-2", 0).is_ok());
        assert!(with("nova-3", 251).is_err() && with("nova-2", 1).is_err());
        assert!(check(&[&format[..], &[("endpointing", "false")]].concat()).is_ok());
    }
}

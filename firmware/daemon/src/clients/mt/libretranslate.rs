use engines::http::Request;
use engines::mt::libretranslate::{TranslateRequest, read_answer};
use engines::{Failure, FailureKind};
use secrecy::ExposeSecret;

use super::{Done, TranslateJob};
use crate::clients::{Transport, http};
use crate::config::Service;

/// A longer answer to one sentence comes from a broken engine.
const ANSWER_AT_MOST: usize = 64 << 10;

pub(super) async fn translate(
    transport: &Transport,
    service: &Service,
    job: &TranslateJob,
) -> Result<Done, Failure> {
    let api_key = service.key.as_ref().map(|key| key.expose_secret().to_owned());
    let request = TranslateRequest {
        api_key,
        ..TranslateRequest::plain(&job.text, job.source.code(), job.target.code())
    };
    let body = serde_json::to_vec(&request)
        .map_err(|error| Failure::new(FailureKind::Refused, format!("the text cannot be sent: {error}")))?;
    let request = Request {
        method: "POST",
        url: format!("{}/translate", service.url),
        headers: vec![("content-type", "application/json".to_owned())],
        body,
    };
    let response = http::send(&transport.http, request).await?;
    let (status, retry_after) = (response.status().as_u16(), http::retry_after(&response));
    let body = http::body(response, ANSWER_AT_MOST).await?;
    let answer = read_answer(status, &body).map_err(|error| {
        let kind = if status == 200 { FailureKind::Protocol } else { Failure::of_status(status, None).kind };
        let retry_after = Failure::of_status(status, retry_after.as_deref()).retry_after;
        Failure { retry_after, ..Failure::new(kind, error.to_string()) }
    })?;
    match answer.translated_text.as_slice() {
        [text] => Ok(Done { text: text.clone(), has_glossary: false }),
        texts => {
            Err(Failure::new(FailureKind::Protocol, format!("{} translations of one text", texts.len())))
        }
    }
}

pub(super) async fn probe(transport: &Transport, service: &Service) -> Result<(), Failure> {
    let url = format!("{}/languages", service.url);
    let request = Request { method: "GET", url, headers: Vec::new(), body: Vec::new() };
    let response = http::send(&transport.http, request).await?;
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(Failure::of_status(status.as_u16(), None)) }
}

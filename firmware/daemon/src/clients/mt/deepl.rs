use engines::Failure;
use engines::mt::deepl::{ANSWER_AT_MOST, Translate, read_answer, read_usage, request, usage};
use secrecy::ExposeSecret;

use super::{Done, TranslateJob, glossary};
use crate::clients::{Transport, http};
use crate::config::Service;

pub(super) async fn translate(
    transport: &Transport,
    service: &Service,
    job: &TranslateJob,
) -> Result<Done, Failure> {
    let Some(id) = transport.glossaries.ready(service, job) else {
        let (_, text) = ask(transport, service, job, None).await?;
        return Ok(Done { text: text?, has_glossary: false });
    };
    match ask(transport, service, job, Some(&id)).await? {
        // Whatever is wrong with the glossary, it must not cost the translation.
        (status @ (400 | 404), Err(_)) => {
            if status == 404 {
                transport.glossaries.forget(service);
                glossary::ensure(transport, service);
            }
            let (_, text) = ask(transport, service, job, None).await?;
            Ok(Done { text: text?, has_glossary: false })
        }
        (_, text) => Ok(Done { text: text?, has_glossary: true }),
    }
}

/// The status, and what the answer says.
async fn ask(
    transport: &Transport,
    service: &Service,
    job: &TranslateJob,
    glossary: Option<&str>,
) -> Result<(u16, Result<String, Failure>), Failure> {
    let (base, key) = place(service);
    let texts = [job.text.as_str()];
    let ask = Translate {
        texts: &texts,
        source: Some(job.source.code()),
        target: job.target.code(),
        context: &job.context,
        glossary,
        formality: None,
    };
    let response = http::send(&transport.http, request(base, key, &ask)?).await?;
    let (status, retry_after) = (response.status().as_u16(), http::retry_after(&response));
    let body = http::body(response, ANSWER_AT_MOST).await?;
    let translated = read_answer(status, retry_after.as_deref(), &body, texts.len());
    let text = translated.map(|mut all| all.pop().map(|translated| translated.text).unwrap_or_default());
    Ok((status, text))
}

/// Asks what is left of the quota: that costs nothing, and needs the key.
pub(super) async fn probe(transport: &Transport, service: &Service) -> Result<(), Failure> {
    let (base, key) = place(service);
    let response = http::send(&transport.http, usage(base, key)).await?;
    let (status, retry_after) = (response.status().as_u16(), http::retry_after(&response));
    let body = http::body(response, ANSWER_AT_MOST).await?;
    read_usage(status, retry_after.as_deref(), &body)?;
    glossary::ensure(transport, service);
    Ok(())
}

pub(super) fn place(service: &Service) -> (Option<&str>, &str) {
    let base = Some(service.url.as_str()).filter(|url| !url.is_empty());
    (base, service.key.as_ref().map_or("", |key| key.expose_secret()))
}

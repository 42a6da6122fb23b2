//! A client that makes the requests of the crate `engines`.

use engine_emulators::loopback;
use engines::http::Request;
use reqwest::{Client, Response};

/// Keeps its connections.
pub(crate) fn client() -> Client {
    loopback::client().and_then(|builder| Ok(builder.build()?)).expect("a client")
}

pub(crate) async fn send(client: &Client, request: Request) -> Response {
    let mut builder = match request.method {
        "GET" => client.get(&request.url),
        "DELETE" => client.delete(&request.url),
        _ => client.post(&request.url),
    };
    for (name, value) in &request.headers {
        builder = builder.header(*name, value);
    }
    builder.body(request.body).send().await.expect("an answer")
}

//! What the providers that are asked over HTTP have in common.

use std::fmt;

/// A request. Its headers may hold a key and its body what was said in a call, so neither is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// `POST`, `PUT`, `GET` or `DELETE`.
    pub method: &'static str,
    /// `https://…` or `http://…`, with path and query.
    pub url: String,
    /// Besides those of every request.
    pub headers: Vec<(&'static str, String)>,
    /// Empty but with `POST` and `PUT`.
    pub body: Vec<u8>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, url, body, .. } = self;
        f.debug_struct("Request")
            .field("method", method)
            .field("url", url)
            .field("bytes", &body.len())
            .finish_non_exhaustive()
    }
}

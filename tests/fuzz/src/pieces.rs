//! How one input stands for several messages.

use engines::websocket::Message;

/// More would take its time and show nothing new.
const MESSAGES_AT_MOST: usize = 64;

/// A status, perhaps a `Retry-After` behind a blank, on the first line; the body follows.
pub(crate) fn http(input: &[u8]) -> Option<(u16, Option<&str>, &[u8])> {
    let end = input.iter().position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(&input[..end]).ok()?;
    let (status, retry_after) = match line.split_once(' ') {
        Some((status, retry_after)) => (status, Some(retry_after)),
        None => (line, None),
    };
    Some((status.parse().ok()?, retry_after, &input[end + 1..]))
}

/// A message a line; after a tab a binary one.
pub(crate) fn messages(input: &[u8]) -> impl Iterator<Item = Message> {
    input.split(|byte| *byte == b'\n').take(MESSAGES_AT_MOST).map(|line| match line.split_first() {
        Some((b'\t', binary)) => Message::Binary(binary.to_vec()),
        _ => Message::Text(String::from_utf8_lossy(line).into_owned()),
    })
}

/// Datagrams, each behind its length in two bytes, the higher one first.
pub(crate) fn datagrams(mut input: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = input.split_first_chunk::<2>()?;
        let (datagram, rest) = rest.split_at(rest.len().min(usize::from(u16::from_be_bytes(*length))));
        input = rest;
        Some(datagram)
    })
    .take(MESSAGES_AT_MOST)
}

/// `stream` in pieces of lengths that depend on it.
pub(crate) fn cut(mut stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut length = stream.len();
    std::iter::from_fn(move || {
        if stream.is_empty() {
            return None;
        }
        length = length * 31 % 97 + 1;
        let (piece, rest) = stream.split_at(length.min(stream.len()));
        stream = rest;
        Some(piece)
    })
}

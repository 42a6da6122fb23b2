use engines::wyoming::{Decoder, Limits, Message, Refused};

use crate::pieces::cut;

/// A stream of events: what is read does not depend on how it was cut, and is read again as it was written.
pub(crate) fn events(input: &[u8]) -> bool {
    let limits = Limits { header: 1_024, data: 2_048, payload: 256, skip: 1_024 };
    let (mut whole, mut in_pieces) = (Decoder::new(limits), Decoder::new(limits));
    whole.push(input);
    let read = drain(&mut whole);
    let mut again = Vec::new();
    for piece in cut(input) {
        in_pieces.push(piece);
        again.extend(drain(&mut in_pieces));
    }
    // After a fatal refusal the pieces that follow are refused, too.
    let fatal =
        |event: &Result<Message, Option<Refused>>| matches!(event, Err(Some(refused)) if refused.is_fatal());
    let end = again.iter().position(fatal).map_or(again.len(), |fatal| fatal + 1);
    assert_eq!(read, again[..end]);
    let understood: Vec<_> = read.into_iter().flatten().collect();
    understood.iter().for_each(written_again);
    !understood.is_empty()
}

fn drain(decoder: &mut Decoder) -> Vec<Result<Message, Option<Refused>>> {
    let mut events = Vec::new();
    loop {
        match decoder.next_event() {
            Ok(Some(event)) => events.push(Message::from_event(event).map_err(|_| None)),
            Ok(None) => return events,
            Err(refused) => {
                let fatal = refused.is_fatal();
                events.push(Err(Some(refused)));
                if fatal {
                    return events;
                }
            }
        }
    }
}

fn written_again(message: &Message) {
    let mut wire = Vec::new();
    message.clone().into_event().encode(&mut wire);
    let mut decoder = Decoder::new(Limits::default());
    decoder.push(&wire);
    let event = decoder.next_event().expect("what we write is read").expect("it is whole");
    let again = Message::from_event(event).expect("and understood");
    assert_eq!(again, *message);
}

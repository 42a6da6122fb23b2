//! Status codes in words that say what to do.

/// One line for a refused call or registration: the code, what it means on a box, and what to do.
///
/// `who` is the own extension, `target` what was dialled, `authenticated` whether the refused request carried a digest.
pub fn explain(code: u16, reason: &str, who: &str, target: &str, authenticated: bool) -> String {
    let advice = match code {
        401 | 407 if authenticated => {
            return format!("{code} after a correct digest: wrong secret for extension {who}");
        }
        401 | 407 => format!("the box wants a password: give --user and --password-file for extension {who}"),
        403 => format!("extension {who} may not do this: check its context and its secret on the box"),
        404 => format!("{target} does not exist on the box: check the number and the dialplan"),
        405 | 501 => "the other side does not know this request: is it a SIP phone or PBX?".into(),
        408 => "the called side was not reached: is it registered and switched on?".into(),
        415 | 488 | 606 => "no common codec: try --codec pcmu, or allow the codec on the box".into(),
        420 | 421 => "the other side insists on a SIP extension that this phone lacks".into(),
        480 => format!("{target} is not available now: is it registered, is the interpreter running?"),
        481 => "the other side has lost the call".into(),
        482 | 483 => "the call goes in circles: check the dialplan".into(),
        484 => format!("{target} is incomplete: dial the whole number"),
        486 => format!("{target} is in another call: try later"),
        487 => "the call was cancelled before it was answered".into(),
        491 => "both sides changed the call at once: try again".into(),
        500 => "the box failed inside: look at its log".into(),
        502 | 504 => "the box did not get an answer from behind: look at its log".into(),
        503 => "the box takes no call now (limit reached or engine down): look at its health page".into(),
        600 => format!("{target} is busy everywhere: try later"),
        603 => format!("{target} declined the call"),
        604 => format!("{target} does not exist anywhere: check the number"),
        300..=399 => "the other side sends the call elsewhere, which this phone does not follow".into(),
        _ => "look at the log of the box".into(),
    };
    format!("{code} {}: {advice}", name(code, reason))
}

/// The name of a status, from the message or from RFC 3261.
fn name(code: u16, reason: &str) -> &str {
    match code {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not found",
        407 => "Proxy authentication required",
        408 => "Request timeout",
        480 => "Temporarily unavailable",
        481 => "Call does not exist",
        486 => "Busy here",
        487 => "Request terminated",
        488 => "Not acceptable here",
        500 => "Server internal error",
        503 => "Service unavailable",
        600 => "Busy everywhere",
        603 => "Decline",
        _ => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_who_and_what() {
        assert_eq!(explain(486, "", "101", "700", false), "486 Busy here: 700 is in another call: try later");
        assert_eq!(
            explain(401, "", "101", "700", true),
            "401 after a correct digest: wrong secret for extension 101"
        );
        assert_eq!(explain(499, "Odd", "1", "2", false), "499 Odd: look at the log of the box");
    }
}

//! Messages that are legal and strange or plainly wrong, each case of RFC 4475 and RFC 5118 that a proxyless user agent
//! can meet, in words of our own; and what chance makes of them.

use std::net::SocketAddr;

use fastrand::Rng;

/// `§` is the server, `¤` a number that differs in each message, `|` a line end.
const MESSAGES: [&str; 24] = [
    // Tortuous and legal: folded lines, odd case, empty quotes, escapes, unknown headers.
    "INVITE sip:101@§ SIP/2.0|TO :| sip:101@§ ;   tag    = ¤|from   : \"J Rosenberg \\\\\\\"\"       <sip:a@§>| ;| tag = 98as¤|MaX-fOrWaRdS: 0068|Call-ID: wsinv.¤@§|Content-Length   : 0|cseq: 0009|  INVITE|Via  : SIP  /   2.0| /UDP|    127.0.0.1;branch=z9hG4bK¤|s :|NewFangledHeader:   newfangled value| continued newfangled value|UnknownHeaderWithUnusualValue: ;;,,;;,;|Contact:\"Quoted string \\\"\\\"\" <sip:a@127.0.0.1>; q = .33||",
    "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@§ SIP/2.0|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤-.!%66*_+`'~|To: \"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f\" <sip:a@§>|From: token1~` token2'+_ token3*%!.- <sip:mundane@§>;fromParam''~+*_!.-%=\"x\";tag=_token~1'+`*%!-.¤|Call-ID: intmeth.¤@§|CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~|Max-Forwards: 255|extensionHeader-!.%*+_`'~:\u{feff}大停電|Content-Length: 0||",
    "INVITE sip:sips%3Auser%40example.com@§ SIP/2.0|To: sip:%75se%72@§|From: <sip:I%20have%20spaces@§>;tag=¤|Max-Forwards: 87|i: esc01.¤@§|CSeq: 234234 INVITE|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|C: application/sdp|L: 0|Contact: <sip:cal%6Cer@127.0.0.1;%6C%72;n%61me=v%61lue%25%34%31>||",
    "REGISTER sip:§ SIP/2.0|To: sip:null-%00-null@§|From: sip:null-%00-null@§;tag=¤|Max-Forwards: 70|Call-ID: escnull.¤@§|CSeq: 14398234 REGISTER|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Contact: <sip:%00@127.0.0.1>|Contact: <sip:%00%00@127.0.0.1>|L:0||",
    "RE%47IST%45R sip:§ SIP/2.0|To: \"%Z%45\" <sip:a@§>|From: \"%Z%45\" <sip:a@§>;tag=¤|Max-Forwards: 70|Call-ID: esc02.¤@§|CSeq: 29344 RE%47IST%45R|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Contact: <sip:alias1@127.0.0.1>|l: 0||",
    "OPTIONS sip:101@§ SIP/2.0|Max-Forwards: 0|From: caller<sip:caller@§>;tag=¤|To: sip:101@§|Call-ID: lwsdisp.¤@§|CSeq: 60 OPTIONS|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|l: 0||",
    "INVITE sip:101@§ SIP/2.0|To: \"I have a user name of extremeextremeextremeextremeextremeextremeextremeextremeextremeextreme proportion\"<sip:101@§:6000;unknownparam1=verylonglonglonglonglonglonglongvalue;shortparam>|F: sip:amazinglylongcallernameamazinglylongcallernameamazinglylongcallername@§;tag=¤;unknownheaderparam=longlonglonglong|Call-ID: longreq.reallyreallyreallyreallyreallyreallyreallylongcallid.¤|CSeq: 3882340 INVITE|Via: SIP/2.0/TCP a.example.com|Via: SIP/2.0/TCP b.example.com|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Max-Forwards: 70|Contact: <sip:amazinglylongcallername@127.0.0.1>|Content-Length: 0||",
    "REGISTER sip:§ SIP/2.0|To: sip:j.user@§|From: sip:j.user@§;tag=¤|Max-Forwards: 8|Call-ID: dblreq.¤@§|CSeq: 8 REGISTER|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Content-Length: 0||INVITE sip:joe@§ SIP/2.0|t: sip:joe@§|From: sip:caller@§;tag=¤||",
    "OPTIONS sip:user;par=u%40example.net@§ SIP/2.0|To: sip:j_user@§|From: sip:caller@§;tag=¤|Max-Forwards: 3|Call-ID: semiuri.¤@§|CSeq: 8 OPTIONS|Accept: application/sdp, application/pkcs7-mime, multipart/mixed, multipart/signed|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|l: 0||",
    "MESSAGE sip:kumiko@§ SIP/2.0|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Max-Forwards: 70|From: sip:a@§;tag=¤|To: sip:kumiko@§|Call-ID: mpart01.¤|CSeq: 1 MESSAGE|Content-Type: multipart/mixed;boundary=7a9cbec02ceef655|Content-Length: 60||--7a9cbec02ceef655|Content-Transfer-Encoding: binary||\x00\x01\x7f|--7a9",
    // Invalid: each of these has one fault.
    "INVITE sip:101@§ SIP/2.0|To: sip:j.user@§|From: sip:caller@§;tag=¤|Max-Forwards: 7|Call-ID: badinv01.¤@§|CSeq: 8 INVITE|Via: SIP/2.0/UDP 127.0.0.1;;,;,,|Contact: \"Joe\" <sip:joe@127.0.0.1>;;;;|Content-Length: 0||",
    "INVITE sip:101@§ SIP/2.0|Max-Forwards: 80|To: sip:j.user@§|From: sip:caller@§;tag=¤|Contact: <sip:caller@127.0.0.1>|Call-ID: clerr.¤@§|CSeq: 8 INVITE|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Content-Type: application/sdp|Content-Length: 9999||v=0|o=mhandley 29739 7272939 IN IP4 127.0.0.1|s=-|c=IN IP4 127.0.0.1|t=0 0|m=audio 49217 RTP/AVP 0||",
    "INVITE sip:101@§ SIP/2.0|Max-Forwards: 254|To: sip:j.user@§|From: sip:caller@§;tag=¤|Call-ID: ncl.¤@§|CSeq: 8 INVITE|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Content-Type: application/sdp|Content-Length: -999||v=0||",
    "REGISTER sip:§ SIP/2.0|Via: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK¤|Max-Forwards: 70|Call-ID: scalar02.¤@§|CSeq: 36893488147419103232 REGISTER|From: <sip:user@§>;tag=¤|To: sip:user@§|Expires: 4294967296000000000000|Contact: <sip:user@127.0.0.1>;expires=280297596632815|Content-Length: 99999999999999999999||",
    "SIP/2.0 4294967301 better not break the receiver|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Call-ID: bigcode.¤@§|CSeq: 353494 INVITE|From: <sip:user@§>;tag=¤|To: sip:user@§|Content-Length: 0||",
    "INVITE sip:101@§ SIP/2.0|To: \"Mr. J. User <sip:j.user@§>|From: sip:caller@§;tag=¤|Max-Forwards: 10|Call-ID: quotbal.¤@§|CSeq: 8 INVITE|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Content-Length: 0||",
    "INVITE <sip:101@§> SIP/2.0|To: sip:user@§|From: sip:caller@§;tag=¤|Max-Forwards: 1|Call-ID: ltgtruri.¤@§|CSeq: 1 INVITE|Via: SIP/2.0/UDP 127.0.0.1|Content-Length: 0||",
    "OPTIONS sip:101@§  lr  SIP/7.0  |Via: SIP/7.0/UDP 127.0.0.1;branch=z9hG4bK¤|To: <sip:t.watson@§>|From: <sip:a.g.bell@§>;tag=¤|CSeq: 19923 INVITE|Call-ID: badvers.¤@§|Date: Fri, 01 Jan 2010 16:00:00 EST|l:0||",
    "INVITE nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0|To: <sips:user@§>|From: isbn:2983792873;tag=¤|CSeq: 1 INVITE|CSeq: 2 REGISTER|Call-ID: multi.¤@§|Call-ID: other.¤|Max-Forwards: 70|Max-Forwards: 300|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Contact: *|Contact: <sip:x@127.0.0.1>|Expires: 0|Content-Length: 5|Content-Length: 0||12345",
    "INVITE sip:101@§ SIP/2.0|CSeq: 193942 INVITE|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|l: 0||",
    "REGISTER sip:§ SIP/2.0|To: sip:101@§|From: sip:101@§;tag=¤|Max-Forwards: 8|Call-ID: baddn.¤|CSeq: 9338 REGISTER|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Authorization: Digest username=\"101\", realm=\"\", nonce=\"\\\"|Authorization: NoOneKnowsThisScheme opaque-data=here|Content-Length:0||",
    // IPv6 references, whole and broken.
    "REGISTER sip:[2001:db8::10] SIP/2.0|To: sip:user@[2001:db8::10]|From: sip:user@[2001:db8::10];tag=¤|Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bK¤|Call-ID: ¤@[2001:db8::9:1]|Max-Forwards: 70|Contact: \"Caller\" <sip:caller@[2001:db8::1]>|CSeq: 98176 REGISTER|Content-Length: 0||",
    "REGISTER sip:2001:db8::10 SIP/2.0|To: sip:user@2001:db8::10:5070|From: sip:user@[::ffff:192.0.2.10;tag=¤|Via: SIP/2.0/UDP [2001:db8::9:1;branch=z9hG4bK¤|Call-ID: ¤@2001:db8::9:1|Max-Forwards: 70|Contact: <sip:caller@[::::]>|CSeq: 98176 REGISTER|Content-Length: 0||",
    "INVITE sip:799@§ SIP/2.0|To: sip:799@§|From: sip:101@§;tag=¤|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤;rport|Call-ID: ¤.ok|Max-Forwards: 70|Contact: <sip:101@127.0.0.1>|CSeq: 1 INVITE|Content-Type: application/sdp|Content-Length: 118||v=0|o=- 1 1 IN IP4 127.0.0.1|s=-|c=IN IP6 ::::1|t=0 0|m=audio 99999 RTP/AVP 0 8 9 96 255 -1|a=rtpmap:96 opus/48000/200|a=ptime:0||",
];

/// One of them, mostly with a few faults more.
pub(crate) fn message(random: &mut Rng, server: SocketAddr) -> Vec<u8> {
    let pattern = MESSAGES[random.usize(..MESSAGES.len())];
    let number = random.u64(..).to_string();
    let text: String = pattern
        .chars()
        .map(|c| match c {
            '|' => "\r\n".to_owned(),
            '§' => server.to_string(),
            '¤' => number.clone(),
            c => c.to_string(),
        })
        .collect();
    let mut bytes = text.into_bytes();
    for _ in 0..random.usize(..6) {
        mutate(random, &mut bytes);
    }
    bytes
}

fn mutate(random: &mut Rng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let at = random.usize(..bytes.len());
    let end = (at + random.usize(1..40)).min(bytes.len());
    match random.u8(..7) {
        0 => bytes[at] = random.u8(..),
        1 => bytes[at] ^= 1 << random.u8(..8),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let piece = bytes[at..end].to_vec();
            let copies = random.usize(1..60);
            bytes.splice(at..at, piece.repeat(copies));
        }
        5 => {
            let pieces: [&[u8]; 8] =
                [b"\r\n\r\n", b"\0", b"\"", b"<", b"%00", b";", b"4294967296", b"\r\nContent-Length: 1\r\n"];
            bytes.splice(at..at, pieces[random.usize(..pieces.len())].iter().copied());
        }
        _ => {
            let to = random.usize(..bytes.len());
            bytes.swap(at, to);
        }
    }
}

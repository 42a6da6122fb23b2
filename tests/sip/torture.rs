//! Messages that are legal and strange or plainly wrong: the 49 cases of RFC 4475 and the 11 of RFC 5118, in words of our
//! own and addressed to us, two more, and what chance makes of all of them.

use std::net::SocketAddr;

use fastrand::Rng;

/// RFC 4475; most are called in `Call-ID` what they are called there. `§` is the server, `¤` a number that differs in each
/// message, `‡` the length of the body, `|` a line end.
const TORTUOUS: [&str; 49] = [
    // Legal: folded lines, odd case, empty quotes, escapes, unknown headers.
    "INVITE sip:101@§ SIP/2.0|TO :| sip:101@§ ;   tag    = ¤|from   : \"J Rosenberg \\\\\\\"\"       <sip:a@§>| ;| tag = 98as¤|MaX-fOrWaRdS: 0068|Call-ID: wsinv.¤@§|Content-Length   : 0|cseq: 0009|  INVITE|Via  : SIP  /   2.0| /UDP|    127.0.0.1;branch=z9hG4bK¤|s :|NewFangledHeader:   newfangled value| continued newfangled value|UnknownHeaderWithUnusualValue: ;;,,;;,;|Contact:\"Quoted string \\\"\\\"\" <sip:a@127.0.0.1>; q = .33||",
    "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@§ SIP/2.0|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤-.!%66*_+`'~|To: \"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f\" <sip:a@§>|From: token1~` token2'+_ token3*%!.- <sip:mundane@§>;fromParam''~+*_!.-%=\"x\";tag=_token~1'+`*%!-.¤|Call-ID: intmeth.¤@§|CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~|Max-Forwards: 255|extensionHeader-!.%*+_`'~:\u{feff}大停電|Content-Length: 0||",
    "INVITE sip:sips%3Auser%40example.com@§ SIP/2.0|To: sip:%75se%72@§|From: <sip:I%20have%20spaces@§>;tag=¤|Max-Forwards: 87|i: esc01.¤@§|CSeq: 234234 INVITE|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|C: application/sdp|L: 0|Contact: <sip:cal%6Cer@127.0.0.1;%6C%72;n%61me=v%61lue%25%34%31>||",
    "REGISTER sip:§ SIP/2.0|To: sip:null-%00-null@§|From: sip:null-%00-null@§;tag=¤|Max-Forwards: 70|Call-ID: escnull.¤@§|CSeq: 14398234 REGISTER|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Contact: <sip:%00@127.0.0.1>|Contact: <sip:%00%00@127.0.0.1>|L:0||",
    "RE%47IST%45R sip:§ SIP/2.0|To: \"%Z%45\" <sip:a@§>|From: \"%Z%45\" <sip:a@§>;tag=¤|Max-Forwards: 70|Call-ID: esc02.¤@§|CSeq: 29344 RE%47IST%45R|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Contact: <sip:alias1@127.0.0.1>|l: 0||",
    "OPTIONS sip:101@§ SIP/2.0|Max-Forwards: 0|From: caller<sip:caller@§>;tag=¤|To: sip:101@§|Call-ID: lwsdisp.¤@§|CSeq: 60 OPTIONS|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|l: 0||",
    "INVITE sip:101@§ SIP/2.0|To: \"I have a user name of extremeextremeextremeextremeextremeextremeextremeextremeextremeextreme proportion\"<sip:101@§:6000;unknownparam1=verylonglonglonglonglonglonglongvalue;shortparam>|F: sip:amazinglylongcallernameamazinglylongcallernameamazinglylongcallername@§;tag=¤;unknownheaderparam=longlonglonglong|Call-ID: longreq.reallyreallyreallyreallyreallyreallyreallylongcallid.¤|CSeq: 3882340 INVITE|Via: SIP/2.0/TCP a.example.com|Via: SIP/2.0/TCP b.example.com|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Max-Forwards: 70|Contact: <sip:amazinglylongcallername@127.0.0.1>|Content-Length: 0||",
    "REGISTER sip:§ SIP/2.0|To: sip:j.user@§|From: sip:j.user@§;tag=¤|Max-Forwards: 8|Call-ID: dblreq.¤@§|CSeq: 8 REGISTER|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Content-Length: 0||INVITE sip:joe@§ SIP/2.0|t: sip:joe@§|From: sip:caller@§;tag=¤||",
    "OPTIONS sip:user;par=u%40example.net@§ SIP/2.0|To: sip:j_user@§|From: sip:caller@§;tag=¤|Max-Forwards: 3|Call-ID: semiuri.¤@§|CSeq: 8 OPTIONS|Accept: application/sdp, application/pkcs7-mime, multipart/mixed, multipart/signed|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|l: 0||",
    "OPTIONS sip:user@§ SIP/2.0|To: sip:user@§|From: <sip:caller@§>;tag=¤|Max-Forwards: 70|Call-ID: transports.¤@§|Accept: application/sdp|CSeq: 60 OPTIONS|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Via: SIP/2.0/SCTP a.example.com;branch=z9hG4bKa¤|Via: SIP/2.0/TLS b.example.com;branch=z9hG4bKb¤|Via: SIP/2.0/UNKNOWN c.example.com;branch=z9hG4bKc¤|Via: SIP/2.0/TCP d.example.com;branch=z9hG4bKd¤|l: 0||",
    "MESSAGE sip:kumiko@§ SIP/2.0|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Max-Forwards: 70|From: sip:a@§;tag=¤|To: sip:kumiko@§|Call-ID: mpart01.¤|CSeq: 1 MESSAGE|Content-Type: multipart/mixed;boundary=7a9cbec02ceef655|Content-Length: 60||--7a9cbec02ceef655|Content-Transfer-Encoding: binary||\x00\x01\x7f|--7a9",
    "SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять - простое|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Call-ID: unreason.¤@§|CSeq: 35 INVITE|From: sip:user@§;tag=¤|To: sip:user@§;tag=2229|Content-Length: ‡|Content-Type: application/sdp|Contact: <sip:user@127.0.0.1>||v=0|o=- 1 1 IN IP4 127.0.0.1|s=-|c=IN IP4 127.0.0.1|t=0 0|m=audio 49217 RTP/AVP 0|",
    "SIP/2.0 100 |Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Call-ID: noreason.¤@§|CSeq: 35 INVITE|From: <sip:user@§>;tag=¤|To: <sip:user@§>;tag=2229|Content-Length: 0|Contact: <sip:user@127.0.0.1>||",
    // Invalid: most of these have one fault.
    "INVITE sip:101@§ SIP/2.0|To: sip:j.user@§|From: sip:caller@§;tag=¤|Max-Forwards: 7|Call-ID: badinv01.¤@§|CSeq: 8 INVITE|Via: SIP/2.0/UDP 127.0.0.1;;,;,,|Contact: \"Joe\" <sip:joe@127.0.0.1>;;;;|Content-Length: 0||",
    "INVITE sip:101@§ SIP/2.0|Max-Forwards: 80|To: sip:j.user@§|From: sip:caller@§;tag=¤|Contact: <sip:caller@127.0.0.1>|Call-ID: clerr.¤@§|CSeq: 8 INVITE|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Content-Type: application/sdp|Content-Length: 9999||v=0|o=mhandley 29739 7272939 IN IP4 127.0.0.1|s=-|c=IN IP4 127.0.0.1|t=0 0|m=audio 49217 RTP/AVP 0||",
    "INVITE sip:101@§ SIP/2.0|Max-Forwards: 254|To: sip:j.user@§|From: sip:caller@§;tag=¤|Call-ID: ncl.¤@§|CSeq: 8 INVITE|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Content-Type: application/sdp|Content-Length: -999||v=0||",
    "REGISTER sip:§ SIP/2.0|Via: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK¤|Max-Forwards: 70|Call-ID: scalar02.¤@§|CSeq: 36893488147419103232 REGISTER|From: <sip:user@§>;tag=¤|To: sip:user@§|Expires: 4294967296000000000000|Contact: <sip:user@127.0.0.1>;expires=280297596632815|Content-Length: 99999999999999999999||",
    "SIP/2.0 503 Service Unavailable|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Call-ID: scalarlg.¤@§|CSeq: 9292394834772304023312 OPTIONS|From: <sip:user@§>;tag=¤|To: <sip:user@§>;tag=2229|Retry-After: 949302838503028349304023988|Warning: 1812 overture \"In Progress\"|Content-Length: 0||",
    "INVITE sip:101@§ SIP/2.0|To: \"Mr. J. User <sip:j.user@§>|From: sip:caller@§;tag=¤|Max-Forwards: 10|Call-ID: quotbal.¤@§|CSeq: 8 INVITE|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Content-Length: 0||",
    "INVITE <sip:101@§> SIP/2.0|To: sip:user@§|From: sip:caller@§;tag=¤|Max-Forwards: 1|Call-ID: ltgtruri.¤@§|CSeq: 1 INVITE|Via: SIP/2.0/UDP 127.0.0.1|Content-Length: 0||",
    "INVITE sip:101@§; lr SIP/2.0|To: sip:user@§;tag=3xfe-9921883-z9f|From: sip:caller@§;tag=¤|Max-Forwards: 5|Call-ID: lwsruri.¤@§|CSeq: 2130706432 INVITE|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Contact: <sip:caller@127.0.0.1>|Content-Type: application/sdp|Content-Length: ‡||v=0|o=- 1 1 IN IP4 127.0.0.1|s=-|c=IN IP4 127.0.0.1|t=0 0|m=audio 49217 RTP/AVP 0|",
    "INVITE  sip:101@§  SIP/2.0|Max-Forwards: 8|To: sip:user@§|From: sip:caller@§;tag=¤|Call-ID: lwsstart.¤@§|CSeq: 1893884 INVITE|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Contact: <sip:caller@127.0.0.1>|Content-Type: application/sdp|Content-Length: ‡||v=0|o=- 1 1 IN IP4 127.0.0.1|s=-|c=IN IP4 127.0.0.1|t=0 0|m=audio 49217 RTP/AVP 0|",
    "OPTIONS sip:101@§ SIP/2.0  |Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Max-Forwards: 70|From: <sip:caller@§>;tag=¤|To: sip:user@§|Call-ID: trws.¤@§|CSeq: 8 OPTIONS|Content-Length: 0||",
    "INVITE sip:101@§?Route=%3Csip:example.com%3E SIP/2.0|To: sip:user@§|From: sip:caller@§;tag=¤|Max-Forwards: 7|Contact: <sip:caller@127.0.0.1>|Call-ID: escruri.¤@§|CSeq: 149209342 INVITE|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Content-Type: application/sdp|Content-Length: ‡||v=0|o=- 1 1 IN IP4 127.0.0.1|s=-|c=IN IP4 127.0.0.1|t=0 0|m=audio 49217 RTP/AVP 0|",
    "INVITE sip:101@§ SIP/2.0|To: sip:user@§|From: sip:caller@§;tag=¤|Max-Forwards: 70|Call-ID: baddate.¤@§|CSeq: 2234923 INVITE|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Date: Fri, 01 Jan 2010 16:00:00 EST|Contact: <sip:caller@127.0.0.1>|Content-Type: application/sdp|Content-Length: ‡||v=0|o=- 1 1 IN IP4 127.0.0.1|s=-|c=IN IP4 127.0.0.1|t=0 0|m=audio 49217 RTP/AVP 0|",
    "REGISTER sip:§ SIP/2.0|To: sip:101@§|From: sip:101@§;tag=¤|Max-Forwards: 70|Call-ID: regbadct.¤@§|CSeq: 9 REGISTER|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Contact: sip:user@127.0.0.1?Route=%3Csip:sip.example.com%3E|l: 0||",
    "OPTIONS sip:user@§ SIP/2.0|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Max-Forwards: 70|From: <sip:caller@§>;tag=¤|To: \"Watson, Thomas\" < sip:t.watson@§ >|Call-ID: badaspec.¤@§|CSeq: 3923239 OPTIONS|Accept: application/sdp|l: 0||",
    "OPTIONS sip:t.watson@§ SIP/2.0|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Max-Forwards: 70|From: Bell, Alexander <sip:a.g.bell@§>;tag=¤|To: Watson, Thomas <sip:t.watson@§>|Call-ID: baddn.¤@§|CSeq: 3923239 OPTIONS|Accept: application/sdp|l: 0||",
    "OPTIONS sip:t.watson@§ SIP/7.0|Via: SIP/7.0/UDP 127.0.0.1;branch=z9hG4bK¤|Max-Forwards: 70|To: <sip:t.watson@§>|From: <sip:a.g.bell@§>;tag=¤|Call-ID: badvers.¤@§|CSeq: 19923 OPTIONS|l: 0||",
    "OPTIONS sip:user@§ SIP/2.0|To: sip:j.user@§|From: sip:caller@§;tag=¤|Max-Forwards: 6|Call-ID: mismatch01.¤@§|CSeq: 8 INVITE|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|l: 0||",
    "NEWMETHOD sip:user@§ SIP/2.0|To: sip:j.user@§|From: sip:caller@§;tag=¤|Max-Forwards: 6|Call-ID: mismatch02.¤@§|CSeq: 8 INVITE|Contact: <sip:caller@127.0.0.1>|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Content-Type: application/sdp|l: ‡||v=0|o=- 1 1 IN IP4 127.0.0.1|s=-|c=IN IP4 127.0.0.1|t=0 0|m=audio 49217 RTP/AVP 0|",
    "SIP/2.0 4294967301 better not break the receiver|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Call-ID: bigcode.¤@§|CSeq: 353494 INVITE|From: <sip:user@§>;tag=¤|To: sip:user@§|Content-Length: 0||",
    "OPTIONS sip:user@§ SIP/2.0|To: sip:user@§|From: sip:caller@§;tag=¤|Max-Forwards: 87|Call-ID: badbranch.¤@§|CSeq: 8 OPTIONS|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK|l: 0||",
    // Well written, and not to be complied with.
    "INVITE sip:101@§ SIP/2.0|CSeq: 193942 INVITE|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|l: 0||",
    "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0|To: sip:user@§|From: sip:caller@§;tag=¤|Max-Forwards: 3|Call-ID: unkscm.¤@§|CSeq: 3923423 OPTIONS|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Content-Length: 0||",
    "OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0|To: sip:user@§|From: sip:caller@§;tag=¤|Max-Forwards: 70|Call-ID: novelsc.¤@§|CSeq: 3923423 OPTIONS|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Content-Length: 0||",
    "REGISTER sip:§ SIP/2.0|To: isbn:2983792873|From: <http://www.example.com>;tag=¤|Call-ID: unksm2.¤@§|CSeq: 234902 REGISTER|Max-Forwards: 70|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Contact: <name:John_Smith>|l: 0||",
    "OPTIONS sip:user@§ SIP/2.0|To: sip:j_user@§|From: sip:caller@§;tag=¤|Max-Forwards: 0|Call-ID: bext01.¤@§|CSeq: 8 OPTIONS|Require: nothingSupportsThis, nothingSupportsThisEither|Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Content-Length: 0||",
    "INVITE sip:101@§ SIP/2.0|Contact: <sip:caller@127.0.0.1>|To: sip:j.user@§|From: sip:caller@§;tag=¤|Max-Forwards: 70|Call-ID: invut.¤@§|CSeq: 8 INVITE|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Content-Type: application/unknownformat|Content-Length: ‡||<audio>| <pcmu port=\"443\"/>|</audio>|",
    "REGISTER sip:§ SIP/2.0|To: sip:101@§|From: sip:101@§;tag=¤|Max-Forwards: 8|Call-ID: regaut01.¤|CSeq: 9338 REGISTER|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Authorization: Digest username=\"101\", realm=\"\", nonce=\"\\\"|Authorization: NoOneKnowsThisScheme opaque-data=here|Content-Length:0||",
    "INVITE nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0|To: <sips:user@§>|From: isbn:2983792873;tag=¤|CSeq: 1 INVITE|CSeq: 2 REGISTER|Call-ID: multi01.¤@§|Call-ID: other.¤|Max-Forwards: 70|Max-Forwards: 300|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Contact: *|Contact: <sip:x@127.0.0.1>|Expires: 0|Content-Length: 5|Content-Length: 0||12345",
    "OPTIONS sip:user@§ SIP/2.0|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|To: sip:user@§|From: sip:other@§;tag=¤|Call-ID: mcl01.¤@§|CSeq: 15932 OPTIONS|Content-Length: 13|Max-Forwards: 60|Content-Length: 5|Content-Type: text/plain||There's no way to know how many octets are supposed to be here.|",
    "SIP/2.0 200 OK|Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1¤|Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK¤;received=192.0.2.255|Call-ID: bcast.¤@§|CSeq: 35 INVITE|From: sip:user@§;tag=¤|To: sip:user@§;tag=2229|Content-Length: ‡|Content-Type: application/sdp|Contact: <sip:user@127.0.0.1>||v=0|o=- 1 1 IN IP4 127.0.0.1|s=-|c=IN IP4 127.0.0.1|t=0 0|m=audio 49217 RTP/AVP 0|",
    "OPTIONS sip:user@§ SIP/2.0|To: sip:user@§|From: sip:caller@§;tag=¤|Call-ID: zeromf.¤@§|CSeq: 39234321 OPTIONS|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Max-Forwards: 0|Content-Length: 0||",
    "REGISTER sip:§ SIP/2.0|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Max-Forwards: 70|From: sip:101@§;tag=¤|To: sip:101@§|Call-ID: cparam01.¤@§|CSeq: 8 REGISTER|Contact: sip:+19725552222@127.0.0.1;unknownparam|Content-Length: 0||",
    "REGISTER sip:§ SIP/2.0|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Max-Forwards: 70|From: sip:101@§;tag=¤|To: sip:101@§|Call-ID: cparam02.¤@§|CSeq: 8 REGISTER|Contact: <sip:+19725552222@127.0.0.1;unknownparam>|Content-Length: 0||",
    "REGISTER sip:§ SIP/2.0|To: sip:101@§|From: sip:101@§;tag=¤|Max-Forwards: 70|Call-ID: regescrt.¤@§|CSeq: 14398234 REGISTER|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|L:0|Contact: <sip:user@127.0.0.1?Route=%3Csip:sip.example.com%3E>||",
    "INVITE sip:101@§ SIP/2.0|To: sip:j_user@§|Contact: <sip:caller@127.0.0.1>|From: sip:caller@§;tag=¤|Max-Forwards: 5|Call-ID: sdp01.¤@§|CSeq: 8 INVITE|Accept: text/nobodyKnowsThis|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤|Content-Length: ‡|Content-Type: application/sdp||v=0|o=- 1 1 IN IP4 127.0.0.1|s=-|c=IN IP4 127.0.0.1|t=0 0|m=audio 49217 RTP/AVP 0|",
    "INVITE sip:UserB@§ SIP/2.0|Via: SIP/2.0/UDP iftgw.example.com|From: <sip:+13035551111@127.0.0.1;user=phone>|Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>|To: sip:+16505552222@§;user=phone|Call-ID: inv2543.¤@§|CSeq: 56 INVITE|Contact: <sip:+13035551111@127.0.0.1;user=phone>|Content-Type: application/sdp||v=0|o=- 1 1 IN IP4 127.0.0.1|s=-|c=IN IP4 127.0.0.1|t=0 0|m=audio 49217 RTP/AVP 0|",
];

/// RFC 5118: IPv6 references, whole and broken.
const IPV6: [&str; 11] = [
    "REGISTER sip:[2001:db8::10] SIP/2.0|To: sip:user@[2001:db8::10]|From: sip:user@[2001:db8::10];tag=¤|Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bK¤|Call-ID: ipv6-good.¤@[2001:db8::9:1]|Max-Forwards: 70|Contact: \"Caller\" <sip:caller@[2001:db8::1]>|CSeq: 98176 REGISTER|Content-Length: 0||",
    "REGISTER sip:2001:db8::10 SIP/2.0|To: sip:user@2001:db8::10:5070|From: sip:user@[::ffff:192.0.2.10;tag=¤|Via: SIP/2.0/UDP [2001:db8::9:1;branch=z9hG4bK¤|Call-ID: ipv6-bad.¤@2001:db8::9:1|Max-Forwards: 70|Contact: <sip:caller@[::::]>|CSeq: 98176 REGISTER|Content-Length: 0||",
    "REGISTER sip:[2001:db8::10:5070] SIP/2.0|To: sip:user@§|From: sip:user@§;tag=¤|Max-Forwards: 70|CSeq: 98176 REGISTER|Content-Length: 0|Call-ID: port-ambiguous.¤@[2001:db8::9:1]|Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bK¤|Contact: \"Caller\" <sip:caller@[2001:db8::1]>||",
    "REGISTER sip:[2001:db8::10]:5070 SIP/2.0|To: sip:user@§|From: sip:user@§;tag=¤|Max-Forwards: 70|CSeq: 98176 REGISTER|Content-Length: 0|Call-ID: port-unambiguous.¤@[2001:db8::9:1]|Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bK¤|Contact: \"Caller\" <sip:caller@[2001:db8::1]>||",
    "OPTIONS sip:[2001:db8::10] SIP/2.0|To: sip:user@§|From: sip:user@§;tag=¤|Max-Forwards: 70|CSeq: 98176 OPTIONS|Content-Length: 0|Call-ID: received-delimiters.¤@[2001:db8::9:1]|Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bK¤||",
    "OPTIONS sip:[2001:db8::10] SIP/2.0|To: sip:user@§|From: sip:user@§;tag=¤|Max-Forwards: 70|CSeq: 98176 OPTIONS|Content-Length: 0|Call-ID: received-no-delimiters.¤@[2001:db8::9:1]|Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bK¤||",
    "INVITE sip:user@[2001:db8::10] SIP/2.0|To: sip:user@[2001:db8::10]|From: sip:user@§;tag=¤|Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bK¤|Call-ID: ipv6-in-sdp.¤@[2001:db8::9:1]|Contact: \"Caller\" <sip:caller@[2001:db8::1]>|CSeq: 8612 INVITE|Max-Forwards: 70|Content-Type: application/sdp|Content-Length: ‡||v=0|o=assistant 971731711378798081 0 IN IP6 2001:db8::20|s=Live video feed|c=IN IP6 2001:db8::20|t=3338481189 3370017201|m=audio 6000 RTP/AVP 2|a=rtpmap:2 G726-32/8000|m=video 6024 RTP/AVP 107|a=rtpmap:107 H263-1998/90000|",
    "BYE sip:user@127.0.0.1 SIP/2.0|Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bK¤|Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKb¤|Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bKc¤;received=[2001:db8::9:255]|Max-Forwards: 70|To: <sip:user@§>;tag=bd76ya|From: <sip:user@§>;tag=¤|Route: <sip:[2001:db8::1]>|Call-ID: mult-ip-in-header.¤|CSeq: 7892 BYE|Content-Length: 0||",
    "INVITE sip:user@[2001:db8::10] SIP/2.0|To: sip:user@[2001:db8::10]|From: sip:user@§;tag=¤|Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bK¤|Call-ID: mult-ip-in-sdp.¤@[2001:db8::9:1]|Contact: Caller <sip:caller@[2001:db8::9:1]>|CSeq: 8912 INVITE|Max-Forwards: 70|Content-Type: application/sdp|Content-Length: ‡||v=0|o=bob 280744730 28977631 IN IP4 host.example.com|s=|t=0 0|m=audio 22334 RTP/AVP 0|c=IN IP4 192.0.2.1|m=video 6024 RTP/AVP 107|c=IN IP6 2001:db8::1|a=rtpmap:107 H263-1998/90000|",
    "INVITE sip:user@§ SIP/2.0|To: sip:user@§|From: sip:user@§;tag=¤|Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bK¤|Call-ID: ipv4-mapped-ipv6.¤@[::ffff:192.0.2.10]|Contact: \"T. desk phone\" <sip:ted@[::ffff:192.0.2.2]>|CSeq: 612 INVITE|Max-Forwards: 70|Content-Type: application/sdp|Content-Length: ‡||v=0|o=assistant 971731711378798081 0 IN IP6 ::ffff:192.0.2.2|s=Call me soon, please!|c=IN IP6 ::ffff:192.0.2.2|t=3338481189 3370017201|m=audio 6000 RTP/AVP 2|a=rtpmap:2 G726-32/8000|",
    "OPTIONS sip:user@[2001:db8:::192.0.2.1] SIP/2.0|Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bK¤|From: <sip:user@§>;tag=¤|To: <sip:user@[2001:db8:::192.0.2.1]>|Call-ID: 3-colons.¤@[2001:db8:::192.0.2.1]|CSeq: 8 OPTIONS|Max-Forwards: 70|Content-Length: 0||",
];

/// Several faults at once.
const MORE: [&str; 2] = [
    "OPTIONS sip:101@§  lr  SIP/7.0  |Via: SIP/7.0/UDP 127.0.0.1;branch=z9hG4bK¤|To: <sip:t.watson@§>|From: <sip:a.g.bell@§>;tag=¤|CSeq: 19923 INVITE|Call-ID: several.¤@§|Date: Fri, 01 Jan 2010 16:00:00 EST|l:0||",
    "INVITE sip:799@§ SIP/2.0|To: sip:799@§|From: sip:101@§;tag=¤|Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK¤;rport|Call-ID: ¤.ok|Max-Forwards: 70|Contact: <sip:101@127.0.0.1>|CSeq: 1 INVITE|Content-Type: application/sdp|Content-Length: 118||v=0|o=- 1 1 IN IP4 127.0.0.1|s=-|c=IN IP6 ::::1|t=0 0|m=audio 99999 RTP/AVP 0 8 9 96 255 -1|a=rtpmap:96 opus/48000/200|a=ptime:0||",
];

/// One of them, mostly with a few faults more.
pub(crate) fn message(random: &mut Rng, server: SocketAddr) -> Vec<u8> {
    let at = random.usize(..TORTUOUS.len() + IPV6.len() + MORE.len());
    let pattern = TORTUOUS.iter().chain(&IPV6).chain(&MORE).nth(at).expect("one of them");
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
    let body = text.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
    let whole = text.replace('‡', &body.to_string()).into_bytes();
    let mut bytes = whole.clone();
    for _ in 0..random.usize(..6) {
        mutate(random, &mut bytes);
    }
    // Nothing is no message.
    if bytes.is_empty() { whole } else { bytes }
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

"""A call by PJSUA2, the user agent of the PJSIP project: plays a WAV once told to, records what it hears.

usage: pjsua2_caller.py URI USER CODEC PLAY.wav RECORD.wav [ANSWER]   (the password comes in SIP_PASSWORD)
Prints "connected" when the call is answered, "ended" and why when it ends without us; plays on the line "play" from
standard input; presses keys on "keys 123"; hangs up on "hangup".
With ANSWER it calls nobody: it registers where URI is, prints "registered", and gives the first call that answer, a
status such as 200 or 486.
"""

import os
import select
import sys
import time

import pjsua2 as pj

ANSWER_WITHIN_S = 15


class Call(pj.Call):
    def __init__(self, account, play, record, call_id=pj.PJSUA_INVALID_ID):
        super().__init__(account, call_id)
        self.play, self.record = play, record
        self.media, self.player, self.recorder = None, None, None
        self.refusal = None

    def onCallState(self, prm):
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.refusal = f"{info.lastStatusCode} {info.lastReason}"

    def onCallMediaState(self, prm):
        # The list of media lives only as long as the info that it belongs to.
        info = self.getInfo()
        for index, media in enumerate(info.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE and not self.media:
                self.media = self.getAudioMedia(index)
                self.recorder = pj.AudioMediaRecorder()
                self.recorder.createRecorder(self.record)
                self.media.startTransmit(self.recorder)

    def start_playing(self):
        self.player = pj.AudioMediaPlayer()
        self.player.createPlayer(self.play, pj.PJMEDIA_FILE_NO_LOOP)
        self.player.startTransmit(self.media)


def endpoint(codec):
    ep = pj.Endpoint()
    ep.libCreate()
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.logConfig.level = 1
    config.medConfig.clockRate = 16000
    # No echo canceller or silence suppression: the test wants every sample.
    config.medConfig.ecTailLen = 0
    config.medConfig.noVad = True
    ep.libInit(config)
    ep.audDevManager().setNullDev()
    transport = pj.TransportConfig()
    transport.boundAddress = "127.0.0.1"
    ep.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    ep.libStart()
    for known in ep.codecEnum2():
        ep.codecSetPriority(known.codecId, 255 if known.codecId.startswith(codec) else 0)
    return ep


class Account(pj.Account):
    def __init__(self, play, record):
        super().__init__()
        self.play, self.record = play, record
        self.incoming, self.registered = None, False

    def onRegState(self, prm):
        self.registered = prm.code == 200

    def onIncomingCall(self, prm):
        self.incoming = self.incoming or Call(self, self.play, self.record, prm.callId)


def account(uri, user, play, record, registers):
    config = pj.AccountConfig()
    host = uri.split("@")[1]
    config.idUri = f"sip:{user}@{host}"
    if registers:
        config.regConfig.registrarUri = f"sip:{host}"
    config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, os.environ["SIP_PASSWORD"]))
    config.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
    result = Account(play, record)
    result.create(config)
    return result


def answered_call(ep, acc, answer):
    while not acc.registered:
        ep.libHandleEvents(20)
    print("registered", flush=True)
    while acc.incoming is None:
        ep.libHandleEvents(20)
        if select.select([sys.stdin], [], [], 0)[0]:
            leave(0)
    print("ringing", flush=True)
    prm = pj.CallOpParam()
    prm.statusCode = answer
    acc.incoming.answer(prm)
    return acc.incoming


def finish_recording(ep, call):
    # The recording is whole only when its recorder is gone, which the bridge sees to in its own time.
    del call.recorder
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        ep.libHandleEvents(20)


def main():
    uri, user, codec, play, record, *answer = sys.argv[1:]
    ep = endpoint(codec)
    acc = account(uri, user, play, record, registers=bool(answer))
    if answer:
        call = answered_call(ep, acc, int(answer[0]))
    else:
        call = Call(acc, play, record)
        call.makeCall(uri, pj.CallOpParam(True))
    started = time.monotonic()
    connected = False
    while not call.refusal:
        ep.libHandleEvents(20)
        if not (connected or call.refusal) and call.media and call.getInfo().state == pj.PJSIP_INV_STATE_CONFIRMED:
            connected = True
            print("connected", flush=True)
        if not connected and time.monotonic() - started > ANSWER_WITHIN_S:
            sys.exit(f"no answer within {ANSWER_WITHIN_S} s")
        if select.select([sys.stdin], [], [], 0)[0]:
            word = sys.stdin.readline().strip()
            if word == "play":
                call.start_playing()
            elif word.startswith("keys "):
                call.dialDtmf(word[len("keys "):])
            elif word in ("hangup", ""):
                break
    if call.refusal:
        finish_recording(ep, call)
        print(f"ended {call.refusal}", flush=True)
        leave(1)
    call.hangup(pj.CallOpParam(True))
    until = time.monotonic() + 1
    while time.monotonic() < until and not call.refusal:
        ep.libHandleEvents(20)
    finish_recording(ep, call)
    print("hung up", flush=True)
    leave(0)


def leave(status):
    """Python frees PJSIP's objects in an order that PJSIP does not survive."""
    sys.stdout.flush()
    os._exit(status)


try:
    main()
except SystemExit as end:
    print(end, file=sys.stderr, flush=True)
    leave(1)

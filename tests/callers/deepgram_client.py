"""The `deepgram-sdk` package's own client against a server. Prints one JSON object.

ADDRESS KEY hear SPEED WAV      what Nova hears of a recording, followed by silence and by a request to finish
ADDRESS KEY turns SPEED WAV     what Flux hears of it, its turn ended by the client
ADDRESS KEY speak PATH TEXT...  says the texts, raw samples into PATH; throws away one that follows
ADDRESS KEY knock               tries to open each of the three: the package's errors

All messages are given, by the class that the package reads them into. SPEED 1 is real time.
"""

import asyncio
import json
import sys
import threading
import time
import wave

from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from deepgram.speak.v1.types import SpeakV1Text

FORMAT = {"encoding": "linear16", "sample_rate": 16000, "mip_opt_out": True}
FRAME = 3200  # bytes in 100 ms


class Listener:
    """Collects what comes on a connection."""

    def __init__(self, connection):
        self.messages, self.audio, self.errors = [], b"", []
        connection.on(EventType.MESSAGE, self.take)
        connection.on(EventType.ERROR, lambda error: self.errors.append(str(error)))
        self.thread = threading.Thread(target=connection.start_listening, daemon=True)
        self.thread.start()

    def take(self, message):
        if isinstance(message, bytes):
            self.audio += message
        else:
            self.messages.append({"class": type(message).__name__, **message.dict()})

    def wait(self, is_last):
        deadline = time.monotonic() + 30
        while not any(is_last(message) for message in self.messages):
            if time.monotonic() > deadline or not self.thread.is_alive():
                raise SystemExit(f"no answer: {self.messages[-3:]} {self.errors}")
            time.sleep(0.01)

    def end(self):
        self.thread.join(30)
        return {"messages": self.messages, "errors": self.errors, "bytes": len(self.audio)}


def play(connection, path, speed, silence):
    with wave.open(path) as wav:
        audio = wav.readframes(wav.getnframes()) + bytes(silence)
    for at in range(0, len(audio), FRAME):
        connection.send_media(audio[at : at + FRAME])
        time.sleep(0.1 / float(speed))


def hear(client, speed, path):
    options = {"interim_results": True, "endpointing": 300, "utterance_end_ms": 1000, "vad_events": True}
    connecting = client.listen.v1.connect(
        model="nova-3", language="en", channels=1, smart_format=True, **options, **FORMAT
    )
    with connecting as connection:
        listener = Listener(connection)
        play(connection, path, speed, silence=64_000)
        listener.wait(lambda message: message["type"] == "UtteranceEnd")
        connection.send_keep_alive()
        connection.send_finalize()
        listener.wait(lambda message: message.get("from_finalize"))
        connection.send_close_stream()
        return listener.end()


def turns(client, speed, path):
    with client.listen.v2.connect(model="flux-general-en", eot_threshold=1.0, **FORMAT) as connection:
        listener = Listener(connection)
        play(connection, path, speed, silence=0)
        connection.send_force_end_turn()
        listener.wait(lambda message: message.get("event") == "EndOfTurn")
        connection.send_close_stream()
        return listener.end()


def speak(client, path, *texts):
    with client.speak.v1.connect(model="aura-2-thalia-en", **FORMAT) as connection:
        listener = Listener(connection)
        for text in texts:
            connection.send_text(SpeakV1Text(text=text))
        connection.send_flush()
        listener.wait(lambda message: message["type"] == "Flushed")
        with open(path, "wb") as file:
            file.write(listener.audio)
        connection.send_text(SpeakV1Text(text="Nobody hears this"))
        connection.send_clear()
        listener.wait(lambda message: message["type"] == "Cleared")
        connection.send_close()
        return listener.end()


async def knock(client):
    # The package's other client passes on what its WebSocket library raises.
    doors = [
        client.listen.v1.connect(model="nova-3", **FORMAT),
        client.listen.v2.connect(model="flux-general-en", **FORMAT),
        client.speak.v1.connect(model="aura-2-thalia-en", **FORMAT),
    ]
    return [await error(door) for door in doors]


async def error(door):
    try:
        async with door:
            return None
    except ApiError as refusal:
        return {"status": refusal.status_code, "body": refusal.body}


def main(address, key, verb, *arguments):
    hosts = {name: f"http://{address}" for name in ("base", "agent_rest")}
    hosts |= {name: f"ws://{address}" for name in ("production", "agent")}
    options = {"api_key": key, "environment": DeepgramClientEnvironment(**hosts)}
    if verb == "knock":
        answer = asyncio.run(knock(AsyncDeepgramClient(**options)))
    else:
        verbs = {"hear": hear, "turns": turns, "speak": speak}
        answer = verbs[verb](DeepgramClient(**options), *arguments)
    print(json.dumps(answer))


main(*sys.argv[1:])

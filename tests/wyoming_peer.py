"""Engines made with other people's software: the `wyoming` package's own server, and Python's HTTP server.

Recognition counts the bursts of sound that it hears, translation reverses the order of words, speech hums for as long
as a text is. So each answer depends on its input, and a test can tell what should come out.

Usage: wyoming_peer.py WYOMING_URI HTTP_PORT [--close]
With --close the connection ends after each answer, as many servers of this kind do.
"""

import array
import asyncio
import http.server
import json
import math
import sys
import threading

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.server import AsyncEventHandler, AsyncServer
from wyoming.tts import Synthesize

NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
SPEECH_RATE = 22050
MS_PER_LETTER = 40


def bursts(samples: array.array) -> int:
    """How often the level rises from silence, with pauses of at least 100 ms between."""
    count, quiet = 0, 10
    for start in range(0, len(samples) - 159, 160):
        loud = max(abs(s) for s in samples[start : start + 160]) > 500
        if loud and quiet >= 10:
            count += 1
        quiet = 0 if loud else quiet + 1
    return count


def hum(text: str) -> array.array:
    length = SPEECH_RATE * MS_PER_LETTER * len(text) // 1000
    return array.array("h", (int(6000 * math.sin(2 * math.pi * 300 * n / SPEECH_RATE)) for n in range(length)))


class Engine(AsyncEventHandler):
    def __init__(self, reader, writer) -> None:
        super().__init__(reader, writer)
        self.audio = bytearray()
        self.languages = []

    async def handle_event(self, event: Event) -> bool:
        if Transcribe.is_type(event.type):
            context = Transcribe.from_event(event).context or {}
            self.languages = context.get("languages", [])
            self.audio.clear()
        elif AudioChunk.is_type(event.type):
            chunk = AudioChunk.from_event(event)
            assert (chunk.rate, chunk.width, chunk.channels) == (16000, 2, 1)
            self.audio += chunk.audio
        elif AudioStop.is_type(event.type):
            heard = NUMBERS[min(bursts(array.array("h", bytes(self.audio))), 9)]
            text = f"I heard {heard} sounds"
            await self.write_event(Transcript(text=text, language=self.languages[0]).event())
            return "--close" not in sys.argv
        elif Synthesize.is_type(event.type):
            await self.speak(Synthesize.from_event(event).text)
            return "--close" not in sys.argv
        return True

    async def speak(self, text: str) -> None:
        shape = {"rate": SPEECH_RATE, "width": 2, "channels": 1}
        await self.write_event(AudioStart(**shape).event())
        audio = hum(text).tobytes()
        for start in range(0, len(audio), 2048):
            await self.write_event(AudioChunk(audio=audio[start : start + 2048], **shape).event())
        await self.write_event(AudioStop().event())


class Translation(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, value) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer([])

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words = " ".join(reversed(request["q"].split()))
        self.answer({"translatedText": f"{request['target']} {words}"})

    def log_message(self, *_arguments) -> None:
        pass


async def main() -> None:
    translation = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Translation)
    threading.Thread(target=translation.serve_forever, daemon=True).start()
    await AsyncServer.from_uri(sys.argv[1]).run(Engine)


asyncio.run(main())

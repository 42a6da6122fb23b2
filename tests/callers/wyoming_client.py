"""The `wyoming` package's own client against a server. Prints one JSON object.

describe                         what the server offers
hear LANGUAGES WAV...            each recording in real time, languages separated by commas
speak LANGUAGE WAV TEXT          a whole text; the audio goes into WAV
stream LANGUAGE WAV TEXT...      the same, piece by piece
"""

import asyncio
import json
import sys
import time
import wave

from wyoming.asr import Transcribe
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeVoice,
)

FRAME = 640  # bytes in 20 ms
BYTES_A_SECOND = 32_000
SILENCE_MS = 480  # what the daemon waits for before it takes speech to have ended


async def describe(client):
    await client.write_event(Describe().event())
    info = Info.from_event(await client.read_event())
    return {
        "asr": [model.languages for program in info.asr for model in program.models],
        "streams": [info.asr[0].supports_transcript_streaming, info.tts[0].supports_synthesize_streaming],
        "voices": [voice.name for voice in info.tts[0].voices],
    }


async def hear(client, languages, *recordings):
    return [await hear_one(client, languages, recording) for recording in recordings]


async def hear_one(client, languages, recording):
    with wave.open(recording) as wav:
        audio = wav.readframes(wav.getnframes())
    audio += bytes(BYTES_A_SECOND * SILENCE_MS // 1000)
    heard = {"chunks": [], "order": []}
    answer = asyncio.create_task(read_transcript(client, heard))
    await client.write_event(Transcribe(context={"languages": languages.split(",")}).event())
    await client.write_event(AudioStart(16000, 2, 1).event())
    started = time.monotonic()
    for at in range(0, len(audio), FRAME):
        await client.write_event(AudioChunk(16000, 2, 1, audio[at : at + FRAME]).event())
        await asyncio.sleep(max(0, started + (at + FRAME) / BYTES_A_SECOND - time.monotonic()))
    await client.write_event(AudioStop().event())
    stopped = time.monotonic()
    await answer
    heard["after_stop_ms"] = round((heard.pop("at") - stopped) * 1000)
    return heard


async def read_transcript(client, heard):
    while event := await client.read_event():
        if event.type not in heard["order"]:
            heard["order"].append(event.type)
        if event.type == "transcript-chunk":
            heard["chunks"].append(event.data["text"])
        if event.type == "transcript":
            heard.update(event.data, at=time.monotonic())
        if event.type == "error":
            raise SystemExit(f"error event: {event.data}")
        if event.type == "transcript-stop":
            return


async def speak(client, language, path, text):
    await client.write_event(Synthesize(text, voice=SynthesizeVoice(language=language)).event())
    return await save_speech(client, path, last="audio-stop")


async def stream(client, language, path, *pieces):
    await client.write_event(SynthesizeStart(voice=SynthesizeVoice(language=language)).event())
    for piece in pieces:
        await client.write_event(SynthesizeChunk(piece).event())
    # For servers that do not stream; one that does must not say everything twice.
    await client.write_event(Synthesize("".join(pieces), voice=SynthesizeVoice(language=language)).event())
    await client.write_event(SynthesizeStop().event())
    return await save_speech(client, path, last="synthesize-stopped")


async def save_speech(client, path, last):
    asked = time.monotonic()
    first, order, audio = None, [], b""
    while event := await client.read_event():
        if event.type not in order:
            order.append(event.type)
        if event.type == "error":
            raise SystemExit(f"error event: {event.data}")
        if event.type == "audio-chunk":
            first = first or time.monotonic()
            audio += AudioChunk.from_event(event).audio
        if event.type == last:
            break
    with wave.open(path, "wb") as wav:
        wav.setparams((1, 2, 16000, 0, "NONE", ""))
        wav.writeframes(audio)
    return {"order": order, "first_ms": round((first - asked) * 1000), "seconds": len(audio) / BYTES_A_SECOND}


async def main(uri, verb, *arguments):
    async with AsyncTcpClient.from_uri(uri, connect_timeout=5, read_timeout=120) as client:
        verbs = {"describe": describe, "hear": hear, "speak": speak, "stream": stream}
        print(json.dumps(await verbs[verb](client, *arguments)))


asyncio.run(main(*sys.argv[1:]))

"""The `openai` package's own client of realtime translations against a server. Prints one JSON object.

ADDRESS KEY MODEL LANGUAGE SECONDS    translates so many seconds of a loud tone: the texts, the bytes of speech, the
                                      types of all events by their classes, or the error
"""

import base64
import json
import struct
import sys

import openai
from websockets.exceptions import InvalidStatus

RATE = 24000
CHUNK = RATE // 5


def main(address, key, model, language, seconds):
    client = openai.OpenAI(api_key=key, base_url=f"http://{address}/v1")
    answer = {"source": "", "target": "", "bytes": 0, "classes": []}
    try:
        with client.realtime.translations.connect(model=model) as connection:
            talk(connection, language, int(float(seconds) * RATE), answer)
    except InvalidStatus as error:
        answer = {"status": error.response.status_code}
    print(json.dumps(answer))


def talk(connection, language, samples, answer):
    transcription = {"model": "gpt-realtime-whisper"}
    audio = {"input": {"transcription": transcription}, "output": {"language": language}}
    connection.session.update(session={"audio": audio})
    for event in connection:
        name = type(event).__name__
        if name not in answer["classes"]:
            answer["classes"].append(name)
        if event.type == "session.updated":
            for start in range(0, samples, CHUNK):
                tone = (9000 if n % 50 < 25 else -9000 for n in range(min(CHUNK, samples - start)))
                chunk = b"".join(struct.pack("<h", sample) for sample in tone)
                connection.session.input_audio_buffer.append(audio=base64.b64encode(chunk).decode())
            connection.session.close()
        elif event.type == "session.input_transcript.delta":
            answer["source"] += event.delta
        elif event.type == "session.output_transcript.delta":
            answer["target"] += event.delta
        elif event.type == "session.output_audio.delta":
            assert (event.sample_rate, event.channels, event.format) == (RATE, 1, "pcm16")
            answer["bytes"] += len(base64.b64decode(event.delta))
        elif event.type == "error":
            answer["error"] = event.error.code
            return
        elif event.type == "session.closed":
            return


main(*sys.argv[1:])

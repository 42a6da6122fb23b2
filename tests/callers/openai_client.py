"""The `openai` package's own client against a server. Prints one JSON object.

ADDRESS KEY RETRIES MODEL VOICE PATH TEXT    streams speech, raw samples into PATH: how many bytes in how many pieces
                                             and when, or the error
"""

import json
import sys
import time

import openai


def main(address, key, retries, model, voice, path, text):
    client = openai.OpenAI(api_key=key, base_url=f"http://{address}/v1", max_retries=int(retries))
    streaming = client.audio.speech.with_streaming_response
    asked = time.monotonic()
    try:
        with streaming.create(model=model, voice=voice, input=text, response_format="pcm") as response:
            pieces = [(time.monotonic(), piece) for piece in response.iter_bytes()]
    except openai.APIStatusError as error:
        print(json.dumps({"error": type(error).__name__, "status": error.status_code, "code": error.code}))
        return
    with open(path, "wb") as file:
        file.writelines(piece for _, piece in pieces)
    first, last = pieces[0][0], pieces[-1][0]
    answer = {
        "bytes": sum(len(piece) for _, piece in pieces),
        "pieces": len(pieces),
        "first_ms": (first - asked) * 1000,
        "spread_ms": (last - first) * 1000,
    }
    print(json.dumps(answer))


main(*sys.argv[1:])

"""The `elevenlabs` package's own client against a server. Prints one JSON object.

ADDRESS KEY VOICE MODEL PATH TEXT...    speaks the texts as they come, raw samples into PATH: how many bytes in how many
                                        pieces, or the error
"""

import json
import sys

from elevenlabs.client import ElevenLabs
from elevenlabs.core.api_error import ApiError
from elevenlabs.types import VoiceSettings


def main(address, key, voice, model, path, *texts):
    client = ElevenLabs(api_key=key, base_url=f"http://{address}").text_to_speech
    # It asks for TLS whatever the base is; nothing else of it is touched.
    client._ws_base_url = f"ws://{address}"
    audio = client.convert_realtime(
        voice,
        text=iter(texts),
        model_id=model,
        output_format="pcm_16000",
        voice_settings=VoiceSettings(stability=0.5, similarity_boost=0.8),
    )
    try:
        pieces = list(audio)
        with open(path, "wb") as file:
            file.writelines(pieces)
        print(json.dumps({"bytes": sum(map(len, pieces)), "pieces": len(pieces)}))
    except ApiError as error:
        # It tells the server's message, or the reason of the close, whichever it meets first.
        words = error.body["message"] if isinstance(error.body, dict) else error.body
        print(json.dumps({"error": words, "status": error.status_code}))


main(*sys.argv[1:])

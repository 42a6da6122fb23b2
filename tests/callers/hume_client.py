"""The `hume-expression-measurement` package's own client against a server. Prints one JSON object.

ADDRESS KEY SECONDS SPEED    measures so many seconds of a loud tone and a pause: all messages by the classes that the
                             package reads them into, the measurements, and why the session ended; or the error.
                             SPEED 1 is real time.
"""

import json
import struct
import sys
import time

from hume_expression_measurement import ExpressionMeasurementClient
from hume_expression_measurement.core.api_error import ApiError
from hume_expression_measurement.environment import ExpressionMeasurementClientEnvironment
from hume_expression_measurement.types import AudioSessionUpdate, SessionClose

FRAME = 1600  # samples in 100 ms


def main(address, key, seconds, speed):
    environment = ExpressionMeasurementClientEnvironment(base=f"http://{address}", production=f"ws://{address}")
    client = ExpressionMeasurementClient(api_key=key, environment=environment)
    try:
        with client.audio.connect() as socket:
            answer = talk(socket, float(seconds), float(speed))
    except ApiError as error:
        answer = {"status": error.status_code}
    print(json.dumps(answer))


def talk(socket, seconds, speed):
    messages = [socket.recv()]
    socket.send_audio_session_update(AudioSessionUpdate(type="session.update", measurement_timer_ms=3000))
    messages.append(socket.recv())
    loud = struct.pack("<h", 9000) * FRAME
    frames = [loud] * int(seconds * 10) + [bytes(2 * FRAME)] * 6
    started = time.monotonic()
    for number, frame in enumerate(frames):
        time.sleep(max(0, started + number * 0.1 / speed - time.monotonic()))
        socket.send_audio_frame(frame)
    socket.send_audio_session_close(SessionClose(type="session.close"))
    for message in socket:
        messages.append(message)
        if message.type == "session.closed":
            break
    results = [message for message in messages if message.type == "measurement.result"]
    return {
        "classes": list(dict.fromkeys(type(message).__name__ for message in messages)),
        "triggers": [result.trigger for result in results],
        "spans": [[result.audio_start_ms, result.audio_end_ms] for result in results],
        "best": [result.expressions[0].name for result in results],
        "reason": messages[-1].reason,
        "frames": messages[-1].received.frames,
        "errors": [message.code for message in messages if message.type == "error"],
    }


main(*sys.argv[1:])

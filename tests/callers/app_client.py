"""A program of the box, by the package `websockets`.

URL TOKEN    sends each line of its input as a message, what follows the word "sound" (hexadecimal) as binary ones of 8 KiB,
             and prints what comes, a JSON object a line: text as it is, sound as its stream, place, time and samples
             (hexadecimal), the end as its code and reason, a refusal as its status.
"""

import json
import struct
import sys
import threading

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect


def tell(value):
    print(json.dumps(value), flush=True)


def send(socket):
    try:
        for line in sys.stdin:
            word, _, samples = line.rstrip("\n").partition(" ")
            if word != "sound":
                socket.send(line.rstrip("\n"))
                continue
            sound = bytes.fromhex(samples)
            for start in range(0, len(sound), 8192):
                socket.send(sound[start : start + 8192])
    except ConnectionClosed:
        return
    socket.close()


def hear(message):
    if isinstance(message, str):
        return tell(json.loads(message))
    stream, place, at_ms = struct.unpack("<IIQ", message[:16])
    tell({"type": "sound", "stream": stream, "place": place, "at_ms": at_ms, "samples": message[16:].hex()})


def main(url, token):
    headers = {"Authorization": f"Bearer {token}"}
    try:
        socket = connect(url, additional_headers=headers, subprotocols=["dragoman.v1"], proxy=None)
    except InvalidStatus as refused:
        return tell({"type": "refused", "status": refused.response.status_code})
    threading.Thread(target=send, args=(socket,), daemon=True).start()
    try:
        for message in socket:
            hear(message)
    except ConnectionClosed:
        pass
    tell({"type": "end", "code": socket.close_code, "reason": socket.close_reason})


main(*sys.argv[1:])

# mypy: ignore-errors
"""The descriptor that connects a simulated board with its supervisor: one JSON list per line.

To it: [number, name, argument ...]; back: [number, value] or [number, null, error arguments].
Number 0 asks for no answer. An interrupted call leaves an answer behind; the next one skips it.
"""

import json
from uos import getenv
from utime import sleep

_channel = open(int(getenv("SIMBOARD_CONTROL")), "r+b")
_number = 0
write = _channel.write


def call(name, *arguments):
    """Ask the supervisor; OSError when it says so."""
    global _number
    _number = number = _number % 9999 + 1
    write(json.dumps((number, name) + arguments) + "\n")
    while True:
        line = _channel.readline()
        if not line:
            while True:  # the supervisor is gone: so is this board, soon
                sleep(1)
        try:
            answer = json.loads(line)
        except ValueError:
            continue
        if isinstance(answer, list) and answer[0] == number:
            if len(answer) > 2:
                raise OSError(*answer[2])
            return answer[1]


def restart(kind, *arguments):
    """Ask to be killed, and wait for it."""
    write(json.dumps((0, kind) + arguments) + "\n")
    while True:
        try:
            sleep(1)
        except BaseException:
            pass

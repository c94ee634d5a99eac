"""The settings slots of a board (docs/settings.md), for `hubtool`: `settings/board.py` asks.

It runs on the board so that no secret travels back to the computer.
"""

import json
import os
from binascii import hexlify
from hashlib import sha256


def _record(path, largest):
    """The content of a record; None when there is none, or its checksum is wrong."""
    try:
        # Asked first: read(n) takes n bytes of heap, however short the file is.
        if os.stat(path)[6] > largest:
            return None
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return None
    end = data.find(b"\n")
    line = data[:end]
    if end < 0 or data[end + 1 :] != hexlify(sha256(line).digest()) + b"\n":
        return None
    try:
        return json.loads(line)
    except ValueError:
        return None


def describe_slot(folder, slot, largest):
    """What decides whether a slot counts; nothing in it is secret.

    Args:
        folder: of the slots.
        slot: "a" or "b".
        largest: of a record, in bytes; a longer one is none.

    Returns:
        Schema and generation of the settings, those of the secrets, and the hash of the CA
        certificates that the settings are about; None when a record is missing or damaged.
    """
    settings = _record(folder + "/settings." + slot, largest)
    secrets = _record(folder + "/secrets." + slot, largest)
    try:
        return (
            int(settings["schema"]),
            int(settings["generation"]),
            int(secrets["schema"]),
            int(secrets["generation"]),
            str(settings["tls"]["ca_sha256"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None

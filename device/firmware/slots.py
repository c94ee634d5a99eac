"""Writes settings on the board itself: a candidate, beside the settings in use.

A candidate is a complete slot (docs/settings.md) except for one name: its settings file is called
`candidate` and not `settings.a` or `settings.b`, so the slot does not count. Renaming that file,
one step of the file system that a power cut cannot divide, makes it count. The slot in use is
never touched.

Loaded by remote care with `once`: nothing here may wait, stay or be kept.

folder: where the files of the slots are, str. path: of a file, str.
"""

import hashlib
import json
import os
from binascii import hexlify

from webpubsub.memory import once

from . import SettingsError

_records = once("firmware.records")
MAX_RECORD = _records.MAX_RECORD
read_record = _records.read_record
read_slot = _records.read_slot
sum_of_file = _records.sum_of_file

CANDIDATE = "candidate"


def propose(settings, hub=None, token=None, ca=None, key=None):
    """Write a candidate: the settings in use, with changes.

    Args:
        settings: Settings in use.
        hub: dict of keys of the table `hub` that change; a value of None takes the key out.
        token: the new Client Access Token; None keeps the old one.
        key: the new key for the negotiate server, in place of any token; None keeps the old one.
        ca: the new CA certificates in DER, bytes; None keeps the old ones.

    Returns:
        Settings of the candidate, read back from the flash.

    Raises:
        SettingsError: it could not be written, or would not be valid; the text says why, and
            the settings in use are as they were.
    """
    folder = settings.folder
    slot = "b" if settings.slot == "a" else "a"
    try:
        record = read_record(folder, "settings." + settings.slot)
        secrets = read_record(folder, "secrets." + settings.slot)
        if record is None or secrets is None:
            raise SettingsError("the settings in use are gone")
        record["generation"] = secrets["generation"] = settings.generation + 1
        for name, value in (hub or {}).items():
            record["hub"].pop(name, None)
            if value is not None:
                record["hub"][name] = value
        if token is not None or key is not None:
            secrets["token"] = token or ""
            secrets.pop("negotiate_key", None)
        if key is not None:
            secrets["negotiate_key"] = key
        discard(folder)
        # From here on until the candidate has its name the slot is empty, and counts for nobody.
        remove(folder + "/settings." + slot)
        write_record(folder, "secrets." + slot, secrets)
        ca_path = folder + "/ca." + slot
        if ca is None:
            _copy(settings.ca_path, ca_path)
        else:
            with open(ca_path, "wb") as file:
                file.write(ca)
        record["tls"] = {"ca_sha256": sum_of_file(ca_path)[0]}
        write_record(folder, CANDIDATE, record)
        return read_slot(folder, slot, CANDIDATE)
    except (SettingsError, OSError) as error:
        discard(folder)
        raise SettingsError("the new settings could not be stored (%s)" % error)


def accept(settings):
    """Make a candidate the settings in use; from this step on they are, over any power cut."""
    os.rename(settings.folder + "/" + CANDIDATE, settings.folder + "/settings." + settings.slot)


def discard(folder):
    """Forget the candidate, if there is one."""
    remove(folder + "/" + CANDIDATE)


def write_record(folder, name, content):
    """Write a record: its file is the old one or the new one at any moment.

    Raises:
        SettingsError: it is longer than can be read.

    name: of its file. content: dict.
    """
    line = json.dumps(content, separators=(",", ":")).encode()
    if len(line) > MAX_RECORD - 66:
        raise SettingsError(name + " would be too long")
    path = "%s/%s" % (folder, name)
    with open(path + ".tmp", "wb") as file:
        file.write(line)
        file.write(b"\n" + hexlify(hashlib.sha256(line).digest()) + b"\n")
    os.rename(path + ".tmp", path)


def remove(path):
    """Remove a file that may not be there."""
    try:
        os.remove(path)
    except OSError:
        pass


def _copy(source, target):
    buffer = bytearray(512)
    view = memoryview(buffer)
    with open(source, "rb") as old, open(target, "wb") as new:
        while True:
            count = old.readinto(buffer)
            if not count:
                break
            new.write(view[:count])

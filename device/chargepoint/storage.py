"""Small states that outlive power cuts: availability, cache, configuration. One file for each."""

import json
import os
from binascii import crc32

from webpubsub.journal import remove, rename, sync

# A file is JSON, and its CRC-32 in eight hexadecimal digits.
_SUM = "%08x"


class Storage:
    """The files of one charging point.

    folder: where they are, str; it is made if need be. damaged: how many files could not be read.
    failures: how many could not be written.
    """

    def __init__(self, folder):
        self._folder = folder
        self.damaged = self.failures = 0
        try:
            os.mkdir(folder)
        except OSError:
            pass  # it is there, or the first write says what is wrong

    def load(self, name):
        """What was saved last; None when there is nothing, or nothing that is sound.

        name: of the state, str."""
        try:
            with open(self._path(name), "rb") as file:
                data = file.read()
        except OSError:
            return None
        text, total = data[:-8], data[-8:]
        try:
            if total == (_SUM % crc32(text)).encode():
                return json.loads(text)
        except (ValueError, MemoryError):
            pass
        self.damaged += 1
        return None

    def save(self, name, value):
        """Keep a state; whether that worked. A power cut leaves the old one or the new one.

        name: str. value: anything that JSON can say."""
        path = self._path(name)
        new = path + ".new"
        try:
            text = json.dumps(value).encode()
            with open(new, "wb") as file:
                file.write(text)
                file.write((_SUM % crc32(text)).encode())
                file.flush()
                sync(file)
            rename(new, path)
        except (OSError, MemoryError):
            remove(new)
            self.failures += 1
            return False
        return True

    def _path(self, name):
        return "%s/%s.json" % (self._folder, name)

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
        try:
            return self.write(name, (json.dumps(value).encode(),))
        except MemoryError:
            self.failures += 1
            return False

    def write(self, name, pieces):
        """Keep what is no JSON, as `save`.

        name: str. pieces: bytes of it, one after the other; nothing else may be saved while they
        are made."""
        path = self._path(name)
        new = path + ".new"
        total = 0
        try:
            with open(new, "wb") as file:
                for piece in pieces:
                    total = crc32(piece, total)
                    file.write(piece)
                file.write((_SUM % total).encode())
                file.flush()
                sync(file)
            rename(new, path)
        except (OSError, MemoryError):
            remove(new)
            self.failures += 1
            return False
        return True

    def open(self, name):
        """A file to read what `write` kept; None when there is nothing, or nothing that is sound.

        name: str."""
        total, tail = 0, b""
        try:
            file = open(self._path(name), "rb")
        except OSError:
            return None
        try:
            while True:
                block = file.read(256)
                if not block:
                    break
                block = tail + block
                total = crc32(block[:-8], total)
                tail = block[-8:]
            file.seek(0)
            if tail == (_SUM % total).encode():
                return file
        except (OSError, MemoryError):
            pass
        file.close()
        self.damaged += 1
        return None

    def _path(self, name):
        return "%s/%s.json" % (self._folder, name)

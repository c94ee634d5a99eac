"""Numbered messages in a file, so that they outlive resets and power cuts; see docs/outbox.md.

The file is a row of records, each with a checksum of its own. A batch is appended in one write.
When too much of the file is over, what is not goes into a new file that takes the old one's name.
So a power cut at any moment leaves the old state or the new one. One object writes the file.
"""

import os
from binascii import crc32
from struct import pack, unpack

from .compat import const

VERSION = 1

_HEAD = "<BBHI"  # sync, kind, size of the body, CRC-32 of all the rest
_HEAD_SIZE = const(8)
_SYNC = const(0xA5)
_OPENING = const(0x4F)  # O: version, stream, first number that was not given away
_MESSAGE = const(0x4D)  # M: number, whatever the outbox wants
_DONE = const(0x44)  # D: number up to which all is over, numbers that are over beyond it
# Numbers are given away in advance, so that most messages need no write for theirs.
_RESERVE = const(256)
_SKIP = const(1 << 20)
_CHUNK = const(256)
_ENOENT = const(2)

# On Windows, os.rename refuses to replace a file.
_rename = getattr(os, "replace", os.rename)


def _record(kind, body):
    head = pack("<BBH", _SYNC, kind, len(body))
    return head + pack("<I", crc32(body, crc32(head))) + body


def _remove(path):
    try:
        os.remove(path)
    except OSError:
        pass


class Journal:
    """The messages in one file.

    path: the file; beside it `path + ".new"` comes and goes. limit: bytes of messages that are
    not over; the file grows to twice as much before it is written anew.

    stream: six random bytes, the same as long as no number can come twice. reserved: the first
    number that was surely never used. count, size: messages in the file that are not over, and
    their bytes. dirty: whether the file does not know yet that some are over. damage: places
    in the file that could not be read.

    Raises:
        OSError: the file is there and cannot be read.
    """

    def __init__(self, path, limit):
        self.path = path
        self.stream = None
        self.reserved = 1
        self.count = self.size = 0
        self.dirty = False
        self.damage = 0
        self._limit = limit
        self._done = 0
        self._gone = set()
        self._head = 0  # no message before this place that is not over
        self._end = 0
        self._bad = -1  # the last place where nothing begins that could be read
        self._rewrite = False
        _remove(path + ".new")
        if not self._load() or (self._end and self.reserved == 1):
            # Not of this version: kept for whoever can read it.
            _rename(path, path + ".old")
            self.damage = 1
            self._end = 0
        if self.damage:
            # A record that told of numbers that were given away may be among the lost.
            self.reserved += _SKIP
            self._rewrite = True
        if self.stream is None:
            self.stream = os.urandom(6)
            self._rewrite = True

    def _load(self):
        # False when the file is of another version.
        try:
            file = open(self.path, "rb")
        except OSError as error:
            if error.errno != _ENOENT:
                raise
            return True
        with file:
            self._end = file.seek(0, 2)
            found = self._next(file, 0)
            while found:
                kind, start, size = found
                file.seek(start)
                if kind == _OPENING:
                    if unpack("<B", file.read(1))[0] != VERSION:
                        return False
                    self.stream, number = unpack("<6sI", file.read(10))
                else:
                    number = unpack("<I", file.read(4))[0] + 1
                    if kind == _DONE:
                        self._done = max(self._done, number - 1)
                        for _ in range(4, size, 4):
                            self._gone.add(unpack("<I", file.read(4))[0])
                self.reserved = max(self.reserved, number)
                found = self._next(file, start + size)
        return True

    def _next(self, file, at):
        # The first whole record from `at` on: its kind, and where its body is; or None.
        damaged = False
        while at < self._end:
            file.seek(at)
            head = file.read(_HEAD_SIZE)
            if len(head) == _HEAD_SIZE and head[0] == _SYNC:
                _, kind, size, crc = unpack(_HEAD, head)
                if at + _HEAD_SIZE + size <= self._end:
                    found = crc32(head[:4])
                    for left in range(size, 0, -_CHUNK):
                        found = crc32(file.read(min(left, _CHUNK)), found)
                    if found == crc:
                        return kind, at + _HEAD_SIZE, size
            if at > self._bad:
                self.damage += not damaged
                damaged = True
                self._bad = at
            at += 1
        return None

    def _live(self, file, at):
        # The first message from `at` on that is not over: its number, and where its body is.
        found = self._next(file, at)
        while found:
            kind, start, size = found
            if kind == _MESSAGE:
                file.seek(start)
                number = unpack("<I", file.read(4))[0]
                if number > self._done and number not in self._gone:
                    return number, start, size
            found = self._next(file, start + size)
        return None

    def find(self, wanted):
        """The oldest message that is not over and that `wanted(start of its body, size)` takes.

        Returns its number and size, or None. Raises OSError.
        """
        if self._end:
            with open(self.path, "rb") as file:
                found = self._live(file, self._head)
                while found:
                    number, start, size = found
                    file.seek(start)
                    if wanted(file.read(min(size, 2 * _CHUNK)), size):
                        return number, size
                    found = self._live(file, start + size)
        return None

    def first(self):
        """The body of the oldest message that is not over, or None. Raises OSError."""
        if not self.count:
            return None
        with open(self.path, "rb") as file:
            found = self._live(file, self._head)
            if found:
                _, start, size = found
                self._head = start - _HEAD_SIZE
                file.seek(start)
                return file.read(size)
        # Damaged since they were counted.
        self.count = self.size = 0
        self._rewrite = True
        return None

    def over(self, number, size, oldest=False):
        """Say that a message is over, the oldest or any; on flash with the next write."""
        if oldest:
            self._done = number
            self._gone = {other for other in self._gone if other > number}
        else:
            self._gone.add(number)
        self.count -= 1
        self.size -= size
        self.dirty = True

    def write(self, bodies, upcoming):
        """Append messages, and what is over, in one write.

        bodies: bytes, each starting with its number (uint32, little-endian), the numbers rising.
        upcoming: the next number that will be given away.

        Raises:
            OSError: there is no room, and the file is as it was.
        """
        # The messages go first: what they replace may be gone only once they are there.
        blocks = [(_MESSAGE, body) for body in bodies]
        if self.dirty:
            over = pack("<I", self._done) + b"".join(pack("<I", n) for n in self._gone)
            blocks.append((_DONE, over))
        reserved = self.reserved
        if upcoming > reserved or self._rewrite:
            reserved = max(reserved, upcoming + _RESERVE)
            blocks.append((_OPENING, pack("<B6sI", VERSION, self.stream, reserved)))
        total = 0
        for _, block in blocks:
            total += _HEAD_SIZE + len(block)
        # An append copies the last block of the file, on littlefs: where nothing waits, a new
        # file is less, and of up to 128 bytes it erases no block.
        small = self.count and self._end + total <= 2 * self._limit
        if self._rewrite or not small or not self._append(blocks, total):
            self._compact(bodies, reserved)
        self.reserved = reserved
        self.dirty = False
        self.count += len(bodies)
        for body in bodies:
            self.size += len(body)

    def _append(self, blocks, total):
        try:
            with open(self.path, "ab") as file:
                for kind, body in blocks:
                    file.write(_record(kind, body))
                _sync(file)
        except (OSError, MemoryError):
            # Full, or torn: a new file begins with less.
            self._rewrite = True
            return False
        self._end += total
        return True

    def _compact(self, bodies, reserved):
        path = self.path + ".new"
        try:
            with open(path, "wb") as file:
                end = file.write(_record(_OPENING, pack("<B6sI", VERSION, self.stream, reserved)))
                if self.count:
                    end += self._copy(file)
                for body in bodies:
                    end += file.write(_record(_MESSAGE, body))
                _sync(file)
            _rename(path, self.path)
        except (OSError, MemoryError):
            _remove(path)
            raise
        self._rewrite = False
        self._gone.clear()
        self._head = 0
        self._bad = -1
        self._end = end

    def _copy(self, target):
        copied = 0
        with open(self.path, "rb") as file:
            found = self._live(file, self._head)
            while found:
                _, start, size = found
                file.seek(start - _HEAD_SIZE)
                for left in range(_HEAD_SIZE + size, 0, -_CHUNK):
                    copied += target.write(file.read(min(left, _CHUNK)))
                found = self._live(file, start + size)
        return copied


def _sync(file):
    file.flush()
    if hasattr(os, "fsync"):  # CPython; littlefs has done so with the flush
        os.fsync(file.fileno())

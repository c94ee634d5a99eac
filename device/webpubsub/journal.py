"""Numbered messages, in memory and in a file that outlives power cuts; see docs/outbox.md.

The file is a row of records, each with a checksum of its own. A batch is appended in one write.
When too much of the file is over, what is not goes into a new file that takes the old one's name.
So a power cut at any moment leaves the old state or the new one. One object writes the file.
"""

import os
from binascii import crc32
from struct import pack, unpack, unpack_from

from .compat import const

VERSION = 1

_HEAD = const("<BBHI")  # sync, kind, size of the body, CRC-32 of all the rest
_HEAD_SIZE = const(8)
_SYNC = const(0xA5)
_OPENING = const(0x4F)  # O: version, stream, first number that was not given away
_MESSAGE = const(0x4D)  # M: number, whatever the outbox wants
_DONE = const(0x44)  # D: number up to which all is over, numbers that are over beyond it
_MARKS = (b"\xa5O", b"\xa5M", b"\xa5D")  # how records begin
# Where the file is damaged, what looks like a record is read in vain: so many times the file at
# most, or its time would grow with the square of its size. What is behind that is lost.
_PATIENCE = const(8)
# Numbers are given away in advance, so that most messages need no write for theirs.
_RESERVE = const(256)
_SKIP = const(1 << 20)
# So much of a record is in memory at once: its number, and the outbox's head and key.
_CHUNK = const(512)
_ENOENT = const(2)

# What is done to files. Tests cut the power here: they put functions of their own in the place of
# these three, and of `open`.
# On Windows, os.rename refuses to replace a file.
rename = getattr(os, "replace", os.rename)
# CPython's; littlefs has done so with the flush.
sync = getattr(os, "fsync", bool)


def number_of(body):
    """The number of a message, of which the start is enough.

    body: bytes-like."""
    return unpack_from("<I", body)[0]


def _record(kind, body):
    head = pack("<BBH", _SYNC, kind, len(body))
    return head + pack("<I", crc32(body, crc32(head))) + body


def remove(path):
    """Remove a file, if it is there.

    path: str."""
    try:
        os.remove(path)
    except OSError:
        pass


class Journal:
    """The messages that are not over: the older ones in the file, the others in memory.

    path: the file; beside it `path + ".new"` comes and goes. None: all stay in memory. limit:
    bytes of messages; the file grows to twice as much before it is written anew.

    stream: six random bytes, the same as long as no number can come twice. next: the number of
    the next message; who gives it away adds 1. reserved: the first number that was surely never
    used, after a power cut. memory: bodies that wait for `write`, each a bytes that starts with
    its number (uint32, little-endian). count, size: messages that are not over, and their bytes;
    who opens a journal counts what `find` shows. dirty: whether the file does not know yet that
    some are over, or is damaged. damage: places in the file that could not be read.

    Raises:
        OSError: the file is there and cannot be read.
    """

    def __init__(self, path, limit):
        self.path = path
        self.limit = limit
        self.stream = os.urandom(6)
        self.reserved = 1
        self.memory = []
        self.count = self.size = self.damage = 0
        self.dirty = False
        self._done = 0
        self._gone = []
        self._head = 0  # no message before this place that is not over
        self._first = 0  # number of the first one that is not, when it was last looked for
        self._end = 0
        self._bad = -2  # the last place where nothing begins that could be read
        self._rewrite = False
        if path:
            remove(path + ".new")
            self._load()
        self.next = self.reserved

    def _load(self):
        path = self.path
        try:
            with open(path, "rb") as file:
                self._end = file.seek(0, 2)
                for kind, start, size, body in self._records(file):
                    if kind == _OPENING:
                        version, stream, number = unpack_from("<B6sI", body)
                        if version != VERSION:
                            self.reserved = 1
                            break
                        self.stream = stream
                    else:
                        number = number_of(body) + 1
                        if kind == _DONE:
                            file.seek(start)
                            body = file.read(size)
                            self._done, *self._gone = unpack("<%dI" % (size // 4), body)
                    self.reserved = max(self.reserved, number)
        except OSError as error:
            if error.errno != _ENOENT:
                raise
        if self._end and self.reserved == 1:
            # Not of this version: kept for whoever can read it.
            rename(path, path + ".old")
            self.damage = 1
            self._end = 0
        if self.damage:
            # A record of numbers that were given away may be among the lost.
            self.reserved += _SKIP

    def _records(self, file):
        # The undamaged records: kind, where the body is, its size, and as much of it as a chunk.
        at = self._head
        patience = _PATIENCE * (self._end + 8 * _CHUNK)
        while at < self._end:
            file.seek(at)
            head = file.read(_HEAD_SIZE)
            if len(head) == _HEAD_SIZE and head[0] == _SYNC:
                _, kind, size, crc = unpack(_HEAD, head)
                if at + _HEAD_SIZE + size <= self._end:
                    body = file.read(min(size, _CHUNK))
                    found = crc32(body, crc32(head[:4]))
                    for left in range(size - _CHUNK, 0, -_CHUNK):
                        found = crc32(file.read(min(left, _CHUNK)), found)
                    if found == crc:
                        at += _HEAD_SIZE
                        yield kind, at, size, body
                        at += size
                        continue
                    patience -= size
            patience -= _CHUNK
            bad = at
            at = self._end if patience < 0 else self._resume(file, at + 1)
            if bad > self._bad:
                # Each place counts once, however often it is read.
                self.damage += bad > self._bad + 1
                self._bad = at - 1
                self.dirty = self._rewrite = True

    def _resume(self, file, at):
        # The next place from `at` on where a record may begin.
        while at < self._end:
            file.seek(at)
            part = file.read(_CHUNK)
            places = [place for place in map(part.find, _MARKS) if place >= 0]
            if places:
                return at + min(places)
            if len(part) < _CHUNK:
                break
            at += _CHUNK - 1  # its last byte may be the first of a mark
        return self._end

    def _live(self, file):
        # The messages in the file that are not over, as records.
        self._first = 0
        for record in self._records(file):
            number = number_of(record[3])
            if record[0] == _MESSAGE and number > self._done and number not in self._gone:
                if not self._first:
                    self._first = number
                    self._head = record[1] - _HEAD_SIZE
                yield record
        if not self._first:
            self._head = self._end

    def find(self, wanted=None):
        """The body of the oldest message that is not over, or None.

        wanted: a function of the start of a body, and its size, that says which ones count.
        Raises OSError, and MemoryError for a message that does not fit into the heap.
        """
        if self._head < self._end:
            with open(self.path, "rb") as file:
                for _, start, size, head in self._live(file):
                    if not wanted or wanted(head, size):
                        file.seek(start)
                        return file.read(size)
        for body in self.memory:
            if not wanted or wanted(body, len(body)):
                return body
        if not wanted:
            # Damaged since they were counted.
            self.count = self.size = 0
        return None

    def over(self, number, size):
        """Say that a message is over; the file gets to know it with the next write.

        number, size: of the message; its size in bytes."""
        for body in self.memory:
            if number_of(body) == number:
                self.memory.remove(body)
                break
        else:
            self.dirty = True
            if number == self._first:
                self._done = number
            else:
                self._gone.append(number)
        self.count -= 1
        self.size -= size

    def write(self):
        """Append what is in memory, and what is over, in one write.

        Raises:
            OSError, MemoryError: there is no room, and file and memory are as they were.
        """
        bodies, path = self.memory, self.path
        if not path or not (bodies or self.dirty):
            return
        tail = b""
        if self.dirty:
            over = [self._done]
            for number in self._gone:
                if number > self._done:
                    over.append(number)
            tail = _record(_DONE, pack("<%dI" % len(over), *over))
            self._gone = over[1:]
        end = self._end + len(tail) + sum(map(len, bodies))
        # An append copies the last block of the file, on littlefs: where nothing waits, a new
        # file is less, and of up to 128 bytes it erases no block.
        anew = self._rewrite or self.count == len(bodies) or end > 2 * self.limit
        reserved = self.reserved
        if anew or self.next > reserved:
            reserved = self.next + _RESERVE
            opening = _record(_OPENING, pack("<B6sI", VERSION, self.stream, reserved))
            tail += opening
        if anew:
            path += ".new"
        try:
            with open(path, "wb" if anew else "ab") as file:
                if anew:
                    file.write(opening)
                    self._copy(file)
                for body in bodies:
                    file.write(_record(_MESSAGE, body))
                if not anew:
                    # Behind the messages: what they replace is over only once they are there.
                    file.write(tail)
                end = file.tell()
                file.flush()
                sync(file)
            if anew:
                rename(path, self.path)
        except (OSError, MemoryError):
            if anew:
                remove(path)
                raise
            # Full, or torn: a new file begins with less.
            self._rewrite = True
            self.write()
        else:
            if anew:
                self._rewrite = False
                self._gone = []
                self._head = 0
                self._bad = -2
            self._end = end
            self.reserved = reserved
            self.dirty = False
            bodies.clear()

    def _copy(self, target):
        # Everything that is not over; a message may be larger than what is free of the heap.
        if self._head < self._end:
            with open(self.path, "rb") as file:
                for _, start, size, _ in self._live(file):
                    file.seek(start - _HEAD_SIZE)
                    for left in range(_HEAD_SIZE + size, 0, -_CHUNK):
                        target.write(file.read(min(left, _CHUNK)))

"""RFC 6455 frames without I/O: a receiver that reads, and a transmitter that writes.

Both work in buffers that are allocated once, and read and write through the functions that they
are given. The receiver lends each message from where it lies, the transmitter masks a payload
piece by piece into the buffer from which it is sent. What is longer than a buffer gets a larger
one, for as long as it is needed.
"""

import os

from .compat import const
from .errors import ProtocolError
from .kernels import complete, frame, move, utf8_check
from .memory import spare

# Opcodes (section 5.2)
CONTINUATION = 0
TEXT = 1
BINARY = 2
CLOSE = 8
PING = 9
PONG = 10

# What `next` returns besides opcodes, which have four bits.
WAIT = 0
END = 16
PAUSE = 17

_BINARY = const(2)
_PONG = const(10)
_WAIT = const(0)
_END = const(16)
_PAUSE = const(17)
_POOL = const(64)  # as in kernels.py, like the next three
_PAYLOAD = const(80)
_HEADER_ONLY = const(16)
_REJECT = const(1)
_FIN = const(0x80)
_MASKED = const(0x80)
_HEAD = const(10)
# A control frame, or what there may be of a data frame's header.
_SMALL = const(128)
# A peer that sends without a pause is left alone now and then: after so many full reads.
_FAIR = const(4)
# What is kept or copied only for speed may take 1/8 of the free heap: a board without PSRAM needs
# the rest in one piece, for the messages themselves.
_SHARE = const(3)


class Receiver:
    """Parses what a server sends.

    buffer_size: bytes of the kept buffer, at least 256. max_size: largest message in bytes.

    `begin` comes before each connection; one after the other may use it. After an opcode was
    returned, `view`, `copy` and `text` give its payload until the next call.
    """

    # The buffer holds the message that is being put together, from _first to _last, its fragments
    # moved together, and after it what is not parsed yet, from _pos to _end. The payload that is
    # lent, from _start to _stop, may be anywhere. A buffer never changes its size, for somebody
    # may still hold a view.

    # No properties in this class: with a single one, MicroPython looks through the class at each
    # assignment to any attribute.

    def __init__(self, buffer_size, max_size):
        self._kept = bytearray(max(buffer_size, 256))
        self._max = max_size
        self._usual = max_size << 2 | 3
        self._large = max(len(self._kept), spare() >> _SHARE)
        self._reads = 0
        self.free_memory = self.trim  # called when memory is short
        self.begin(False)

    def begin(self, complete):
        """Forget all that was: a new connection.

        complete: a read that does not fill its buffer leaves nothing behind, so the next one can
        wait for the poller. So it is with TCP; TLS may hold back what the socket knows nothing of.
        """
        self._complete = complete
        self.received = 0  # bytes, in all
        self.drop()

    def drop(self):
        """Forget all that is there: whoever keeps a closed connection keeps no message."""
        self._use(self._kept)
        self._start = self._stop = self._pos = self._end = 0
        self._first = -1  # no message is under way
        self._left = -1  # bytes of the current data frame that are due; -1: a header is due
        self._utf8 = 0
        self._final = False
        self._drained = False  # the last read left nothing behind
        self.wait = False  # `next` would return WAIT: the caller may set this back instead

    def _use(self, buffer):
        self._buffer = buffer
        self._view = memoryview(buffer)
        self._short = len(buffer) if self._complete else 0
        self._oversized = len(buffer) > self._large

    def next(self, read):
        """Parse, and read as long as there is something to read.

        read: function of a memoryview that fills it and returns a number of bytes, 0 at the end
        of the stream, None when it would block. Or None, to take no more than a message that is
        there, complete and in one frame.

        Returns an opcode; WAIT when `read` would block, END at the end of the stream, PAUSE now
        and then when others should have their turn.

        Raises:
            ProtocolError: with the close code of RFC 6455, section 7.4.1.
            OSError: what `read` raises.
        """
        # With more than eleven words of variables and stack, MicroPython would take the frame of
        # each call from its heap; hence `_more`, and names that serve twice.
        while True:
            pos = self._pos
            found = 0
            if self._first < 0:
                if pos == self._end:
                    # The usual case: an empty buffer.
                    if self._drained or self.wait or read is None:
                        if read:
                            self._drained = self.wait = False
                        return _WAIT
                    if self._oversized:
                        self.drop()
                    found = read(self._view)
                    if not found:
                        return _WAIT if found is None else _END
                    self.received += found
                    pos = self._pos = 0
                    self._end = found
                    if found < self._short:
                        self._drained = True
                    elif self._busy():
                        return _PAUSE
                found = complete(self._buffer, pos, self._end)
                if 0 < found <= self._usual:
                    # Two bytes of header, or four.
                    pos += 2 if found < 504 else 4
                    stop = pos + (found >> 2)
                    if found & 2 or not utf8_check(self._buffer, pos, stop, 0):
                        self._start = pos
                        self._stop = self._pos = stop
                        if self._drained and stop == self._end:
                            self._drained = False
                            self.wait = True
                        return found & 3
            if read is None:
                return _WAIT
            found = self._more(read, found)
            if found is not None:
                return found

    def _more(self, read, found):
        # What is not there in one frame, complete: goes on with it, or reads what is missing.
        # Returns what `next` shall, or None when that is to look again.
        need = 0
        if found < 0:
            # The rest is missing. Wrong text is refused before its end: section 8.1, and
            # Autobahn's 6.4.
            found = -found
            start = self._pos + (2 if found < 504 else 4)
            if found <= self._usual and (
                found & 2 or utf8_check(self._buffer, start, self._end, 0) != _REJECT
            ):
                need = start - self._pos + (found >> 2)
        if not 0 < need <= len(self._buffer):
            need = 0
            found = self._parse()
            if found:
                return found
        if self._drained:
            self._drained = False
            return _WAIT
        found = self.fill(read, need)
        if not found:
            return _WAIT if found is None else _END
        if not self._drained and self._busy():
            return _PAUSE
        return None

    def _busy(self):
        # Whether a peer that sends without a pause is to be left alone for once.
        self._reads += 1
        return not self._reads % _FAIR

    def fill(self, read, need=0):
        """Read once, and parse nothing. Returns what `read` does.

        need: bytes to make room for, with those that are there; 0 when the header of a frame says
        it, or nothing does yet. Raises ProtocolError when there is no memory.
        """
        base = self._pos
        if self._first >= 0:
            # What is there of a control frame, or a header, is moved to the message before it.
            self._gather()
            base = self._first
        if not need:
            need = self._end - base + (self._left if self._left > 0 else _SMALL)
        if base + need > len(self._buffer):
            self._make_room(base, self._end - base, need)
        view = self._view[self._end :] if self._end else self._view
        count = read(view)
        if count:
            self.received += count
            self._end += count
            self._drained = self._complete and count < len(view)
        return count

    def _gather(self):
        last, count = self._last, self._end - self._pos
        move(self._buffer, last, self._pos, count)
        self._pos = last
        self._end = last + count

    def _make_room(self, base, held, need):
        if need <= len(self._buffer) and held > base:
            move(self._buffer, 0, base, held)  # which the next line must not: they overlap
        else:
            part = self._view[base : self._end]
            if need > len(self._buffer):
                self._replace(need)
            self._view[:held] = part
        self._pos -= base
        self._end -= base
        if self._first >= 0:
            self._first -= base
            self._last -= base

    def _replace(self, need):
        wide = need
        if not self._final:
            # The size of a message in fragments is not known before its end.
            wide = max(need, min(2 * len(self._buffer), self._max + _SMALL))
        elif need <= self._large:
            wide += _HEAD  # so that the next one of its size has room with its header
        for size in (wide, need):
            try:
                return self._use(bytearray(size))
            except MemoryError:
                self.free_memory()
        raise ProtocolError(1009, "no memory for a message of %d bytes" % need)

    def _parse(self):
        # The opcode of the next complete message or control frame; 0 when more bytes are due.
        while True:
            if self._left < 0:
                opcode = self._header()
                if opcode or self._left < 0:
                    return opcode
            last = self._last
            count = min(self._left, self._end - self._pos)
            if last != self._pos:
                move(self._buffer, last, self._pos, count)
            self._pos += count
            self._left -= count
            self._last = stop = last + count
            if self._opcode != _BINARY:
                # At once and not at the end of the message, as above.
                self._utf8 = utf8_check(self._buffer, last, stop, self._utf8)
            if self._utf8 == _REJECT or (self._utf8 and self._final and not self._left):
                raise ProtocolError(1007, "text is not UTF-8")
            if self._left:
                self._pos = self._end = stop
                return 0
            self._left = -1
            if self._final:
                self._start = self._first
                self._stop = stop
                self._first = -1
                return self._opcode

    def _header(self):
        # The opcode of a control frame that is complete; 0 otherwise. Then self._left says
        # whether the header of a data frame was taken.
        buffer, pos = self._buffer, self._pos
        have = self._end - pos
        if have < 2:
            return 0
        first, size = buffer[pos], buffer[pos + 1]
        opcode = first & 15
        wrong = None
        if first & 0x70:
            wrong = "reserved bits are set"
        elif size & _MASKED:
            wrong = "a server's frame is masked"
        elif opcode & 7 > 2:
            wrong = "unknown opcode"
        elif opcode & 8:
            if size > 125 or not first & _FIN:
                wrong = "a control frame is fragmented or too long"
            elif have < 2 + size:
                return 0
            else:
                self._start = pos + 2
                self._stop = self._pos = pos + 2 + size
                return opcode
        elif (opcode == 0) == (self._first < 0):
            wrong = "fragments out of order"
        elif size > 125:
            head = 4 if size == 126 else 10
            if have < head:
                return 0
            size = int.from_bytes(buffer[pos + 2 : pos + head], "big")
            if size < (126 if head == 4 else 65536) or size >> 63:
                wrong = "a length is not minimal"
            pos += head - 2
        if wrong:
            raise ProtocolError(1002, wrong)
        self._pos = pos = pos + 2
        if opcode:
            self._first = self._last = pos
            self._opcode = opcode
            self._utf8 = 0
        if size + self._last - self._first > self._max:
            raise ProtocolError(1009, "a message is larger than %d bytes" % self._max)
        self._final = first & _FIN
        self._left = size
        return 0

    def view(self):
        """The payload, lent: a memoryview."""
        return self._view[self._start : self._stop]

    def copy(self):
        """The payload as a bytearray that is the caller's from now on; not lent after this."""
        buffer, start, stop = self._buffer, self._start, self._stop
        if not self._oversized or stop != len(buffer):
            return buffer[start:stop]
        # There is hardly room for two of them.
        self.drop()
        buffer[:start] = b""
        return buffer

    def text(self):
        """The payload as a str."""
        return str(self._view[self._start : self._stop], "utf-8")

    def holds(self, part):
        """Whether the payload holds some bytes; a memoryview itself cannot be searched.

        part: bytes."""
        return self._buffer.find(part, self._start, self._stop) >= 0

    def trim(self):
        """Give the memory of a long message back; while nothing is lent."""
        if self._pos == self._end and self._first < 0:
            self.drop()

    def unread(self):
        """A copy of what is there and not parsed: before the first frame there is other text."""
        return self._buffer[self._pos : self._end]

    def skip(self, count):
        """Pass over `count` bytes of what is there."""
        self._pos += count


class Transmitter:
    """Builds masked frames (section 5.3) in a kept buffer, and sends them piece by piece."""

    def __init__(self, buffer_size):
        # A multiple of four, so that each piece starts in phase with the key.
        self._room = max(buffer_size, 128) & ~3
        self._most = min(8 * self._room, spare() >> _SHARE)
        self._kept = bytearray(_PAYLOAD + self._room)
        # _start to _end: what is to be sent of the buffer. sent: bytes, in all. _payload: of a
        # frame that has more pieces to come.
        self.begin()

    def send(self, opcode, payload, size, write):
        """Send a frame of `size` bytes of `payload`; False when the rest is for `flush`.

        payload: bytes-like. write: function of buffer, start and count that sends that part of
        a buffer, and returns how many bytes it took, or None when it would block. Raises what
        that raises.

        opcode: of section 5.2, int; the frame is a complete message (FIN is set).
        """
        # No more than eleven words, as in Receiver.next.
        if size <= self._room:
            # The usual frame is in one piece, goes out at once, and leaves no trace but a sum.
            start = frame(self._buffer, payload, opcode, size)
            if start:
                size += _PAYLOAD - start
                payload = write(self._buffer, start, size) or 0  # how many bytes it took
                self.sent += payload
                if payload == size:
                    return True
                self._start = start + payload
                self._end = start + size
                return False
        self._begin(opcode, payload, size)
        return self.flush(write)

    def _begin(self, opcode, payload, size):
        room = min(size, self._most)
        if room > len(self._buffer) - _PAYLOAD:
            # Each piece costs a write, and over TLS a record.
            try:
                self._buffer = bytearray(_PAYLOAD + (room + 3 & ~3))
            except MemoryError:
                self._most = 0
        self._payload = payload
        self._opcode = opcode
        self._size = size
        self._done = 0  # how many bytes of the payload are in pieces already

    def flush(self, write):
        """Send what is due, one piece after another; False when it would block.

        write: as for `send`."""
        buffer = self._buffer
        while True:
            while self._start != self._end:
                count = write(buffer, self._start, self._end - self._start)
                if not count:
                    return False
                self.sent += count
                self._start += count
            if self._payload is None:
                return True
            start = _PAYLOAD
            if self._opcode:
                start = frame(buffer, b"", _HEADER_ONLY | self._opcode, self._size)
                if not start:
                    # Mask keys come from the system's source (section 10.3), for many frames at
                    # once.
                    buffer[:_POOL] = os.urandom(_POOL)
                    buffer[_POOL] = _POOL >> 2
                    continue
                self._opcode = 0
            done = self._done
            count = min(self._size - done, len(buffer) - _PAYLOAD)
            frame(buffer, self._payload, done << 5, count)
            self._start = start
            self._end = _PAYLOAD + count
            self._done = done = done + count
            if done == self._size:
                self._payload = None

    def begin(self):
        """Forget all that was: a new connection."""
        self._start = self._end = self.sent = 0
        self._payload = None
        self.trim()

    def trim(self):
        """Give the memory of a long frame back, unless it is still on its way."""
        if self._start == self._end and self._payload is None:
            self._buffer = self._kept

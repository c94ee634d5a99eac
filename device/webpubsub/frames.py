"""RFC 6455 frames without I/O: a receiver to fill, and a transmitter to empty.

Both work in buffers that are allocated once. The receiver reads through a function that it is
given (`next`), or is filled by hand (`space`, `filled`, `parse`), and lends each message from
where it lies. A long message is read straight into a buffer of its own. The transmitter masks a
payload piece by piece into the buffer from which it is sent.
"""

import os

from .compat import const, mem_free
from .errors import ProtocolError
from .kernels import PAYLOAD, POOL, REJECT, frame, utf8_check, whole

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

_TEXT = const(1)
_BINARY = const(2)
_PAYLOAD = const(80)  # as kernels.PAYLOAD
_FIN = const(0x80)
_MASKED = const(0x80)
# A peer that sends without a pause is left alone now and then: after so many full reads.
_FAIR = const(4)
# The memory of a long message that was lent, or sent, serves the next ones, too, until `trim`:
# at most as much as so many buffers.
_WIDE = const(8)


class Receiver:
    """Parses what a server sends.

    buffer_size: bytes of the kept buffer, at least 256. max_size: largest message in bytes.

    After an opcode was returned, `view`, `copy` and `text` give its payload until the next call.
    """

    def __init__(self, buffer_size, max_size):
        self._room = max(buffer_size, 256)
        self._buffer = bytearray(self._room)
        self._view = memoryview(self._buffer)
        self._start = 0  # of the payload in the buffer; -1: it is in self._message
        self._pos = 0  # first byte that is not parsed
        self._end = 0  # first byte that is not filled
        self._max = max_size
        # No message is under way. A smaller limit than the buffer needs a look at each header.
        self._idle = max_size >= self._room
        self._left = -1  # bytes of the current data frame that are due; -1: a header is due
        self._final = False
        self._opcode = 0  # of the message that is being put together; 0: none
        self._message = None  # bytearray that is being filled
        self._filled = 0  # how many bytes of it are there
        self._utf8 = 0
        self._dry = False  # the last read left nothing behind
        self._reads = 0  # since the last pause
        self._enough = 0
        self.relieve = self.trim  # called when memory is short
        self.wait = False  # `next` would return WAIT: the caller may set this back instead
        self.received = 0  # bytes, in all

    def expect_all(self):
        """Say that a read which does not fill its buffer leaves nothing behind.

        So it is with TCP: the next read can wait for the poller. TLS may hold the end of the
        stream back, of which the socket knows nothing.
        """
        self._enough = self._room

    def next(self, read):
        """Parse, and read as long as there is something to read.

        read: function of a memoryview that fills it and returns a number of bytes, 0 at the end
        of the stream, None when it would block.

        Returns an opcode, as `parse` does; WAIT when `read` would block, END at the end of the
        stream, PAUSE now and then when others should have their turn. Raises what they raise.
        """
        pos = self._pos
        end = self._end
        while True:
            if self._idle:
                if pos == end:
                    if self._dry or self.wait:
                        self._dry = self.wait = False
                        return WAIT
                    count = read(self._view)
                    if not count:
                        return WAIT if count is None else END
                    self.received += count
                    self._end = end = count
                    pos = 0
                    if count < self._enough:
                        self._dry = True
                    elif self._pause():
                        self._pos = 0
                        return PAUSE
                found = whole(self._buffer, pos, end)
                if found:
                    # Two bytes of header, or four.
                    pos += 2 if found < 504 else 4
                    self._start = pos
                    self._pos = pos = pos + (found >> 2)
                    if pos == end and self._dry:
                        self._dry = False
                        self.wait = True
                    return found & 3
                self._pos = pos
            opcode = self.parse()
            if opcode:
                return opcode
            pos = self._pos
            end = self._end
            if pos == end and self._idle:
                continue
            if self._dry:
                self._dry = False
                return WAIT
            view = self.space()
            count = read(view)
            if not count:
                return WAIT if count is None else END
            self.received += count
            self.filled(count)
            if self._enough and count < len(view):
                self._dry = True
            elif self._pause():
                return PAUSE
            pos = self._pos
            end = self._end

    def ready(self):
        """The opcode of a message that is complete in the buffer; 0 when `next` has to look."""
        pos = self._pos
        found = self._idle and whole(self._buffer, pos, self._end)
        if not found:
            return 0
        self._start = pos = pos + (2 if found < 504 else 4)
        self._pos = pos + (found >> 2)
        return found & 3

    def _pause(self):
        self._reads += 1
        if self._reads < _FAIR:
            return False
        self._reads = 0
        return True

    # No properties in this class: with a single one, MicroPython looks through the class at each
    # assignment to any attribute.

    def view(self):
        """The payload, lent: a memoryview."""
        if self._start < 0:
            return memoryview(self._message)[: self._filled]
        return self._view[self._start : self._pos]

    def copy(self):
        """The payload as a bytearray that is the caller's from now on."""
        if self._start >= 0:
            return self._buffer[self._start : self._pos]
        message, self._message = self._message, None
        return message if len(message) == self._filled else message[: self._filled]

    def text(self):
        """The payload as a str; it is not lent after this."""
        if self._start >= 0:
            return str(self._view[self._start : self._pos], "utf-8")
        return str(self.copy(), "utf-8")

    def trim(self):
        """Give the memory of a long message back, unless it is still lent or under way."""
        if self._idle and self._start >= 0:
            self._message = None

    def drop(self):
        """Forget all that is there: whoever keeps a closed connection keeps no message."""
        self._message = None
        self._start = self._pos = self._end = 0
        self._left = -1

    def holds(self, part):
        """Whether the payload holds some bytes; a memoryview itself cannot be searched."""
        if self._start < 0:
            return self._message.find(part, 0, self._filled) >= 0
        return self._buffer.find(part, self._start, self._pos) >= 0

    def space(self):
        """A memoryview, never empty, for the next bytes from the connection."""
        if self._left > 0:
            return memoryview(self._message)[self._filled : self._filled + self._left]
        if self._pos == self._end:
            self._pos = self._end = 0
            return self._view
        if self._pos:
            # Only a part of one frame is ever moved: parse() has taken everything else.
            count = self._end - self._pos
            self._view[:count] = self._buffer[self._pos : self._end]
            self._pos, self._end = 0, count
        return self._view[self._end :]

    def filled(self, count):
        """Say that `count` bytes were written into `space()`."""
        if self._left > 0:
            self._take(count)
        else:
            self._end += count

    def line(self):
        """Take one line, up to CRLF or LF, without its end; None when it is not complete.

        For the handshake, which shares the buffer. Raises ProtocolError when a line is longer
        than the buffer.
        """
        at = self._buffer.find(b"\n", self._pos, self._end)
        if at < 0:
            if self._end - self._pos >= self._room:
                raise ProtocolError(1002, "a header line of the server is too long")
            return None
        start, self._pos = self._pos, at + 1
        if at > start and self._buffer[at - 1] == 13:
            at -= 1
        return self._buffer[start:at]

    def take(self, count):
        """Take at most `count` bytes that are buffered, for the body of a refusal."""
        start = self._pos
        self._pos = min(start + count, self._end)
        return self._buffer[start : self._pos]

    def parse(self):
        """The opcode of the next complete message or control frame; 0 when more bytes are due.

        Raises:
            ProtocolError: with the close code of RFC 6455, section 7.4.1.
        """
        while True:
            if self._left < 0:
                opcode = self._header()
                if opcode or self._left < 0:
                    return opcode
            if self._left:
                count = min(self._left, self._end - self._pos)
                if count:
                    start = self._filled
                    part = self._view[self._pos : self._pos + count]
                    memoryview(self._message)[start : start + count] = part
                    self._pos += count
                    self._take(count)
                if self._left:
                    return 0
            self._left = -1
            if self._final:
                return self._complete()

    def _header(self):
        # Returns the opcode of a frame that is complete in the buffer; 0 otherwise. Then
        # self._left says whether a header was taken.
        buffer, pos = self._buffer, self._pos
        have = self._end - pos
        if have < 2:
            return 0
        first, length = buffer[pos], buffer[pos + 1]
        opcode = first & 15
        if first & 0x70:
            raise ProtocolError(1002, "reserved bits are set")
        if length & _MASKED:
            raise ProtocolError(1002, "a server's frame is masked")
        if opcode & 8:
            if opcode > PONG:
                raise ProtocolError(1002, "unknown opcode")
            if length > 125 or not first & _FIN:
                raise ProtocolError(1002, "a control frame is fragmented or too long")
            if have < 2 + length:
                return 0
            self._start = pos + 2
            self._pos = pos + 2 + length
            return opcode
        if opcode > _BINARY:
            raise ProtocolError(1002, "unknown opcode")
        if (opcode == CONTINUATION) != (self._opcode != 0):
            raise ProtocolError(1002, "fragments out of order")
        head = 2
        if length > 125:
            head = 4 if length == 126 else 10
            if have < head:
                return 0
            shortest = 126 if head == 4 else 65536
            length = 0
            for i in range(pos + 2, pos + head):
                length = length << 8 | buffer[i]
            if length < shortest or length >> 63:
                raise ProtocolError(1002, "a length is not minimal")
        if not self._opcode:
            self._filled = 0
        if length + self._filled > self._max:
            raise ProtocolError(1009, "a message is larger than %d bytes" % self._max)
        if not self._opcode and first & _FIN and head + length <= self._room:
            # The usual case: the message is lent from the buffer, as soon as all of it is there.
            start = pos + head
            self._start = start
            end = min(start + length, self._end)
            if opcode == _TEXT:
                # Wrong text is refused before its end: section 8.1, and Autobahn's 6.4.
                state = utf8_check(buffer, start, end, 0)
                if state == REJECT or (state and end == start + length):
                    raise ProtocolError(1007, "text is not UTF-8")
            if have < head + length:
                return 0
            self._pos = end
            return opcode
        if opcode:
            self._opcode = opcode
        self._idle = False
        self._final = bool(first & _FIN)
        self._left = length
        self._pos = pos + head
        try:
            try:
                self._grow(self._filled + length)
            except MemoryError:
                self.relieve()
                self._grow(self._filled + length)
        except MemoryError:
            self._message = None
            raise ProtocolError(1009, "no memory for a message of %d bytes" % length)
        return 0

    def _grow(self, needed):
        message = self._message
        if not self._filled:
            # The last one, if it was only lent, fits: but what may still grow must not move
            # under a view that somebody holds.
            if self._final and message and needed <= len(message) <= _WIDE * self._room:
                return
            message = self._message = None  # free before the next one is there
            self._message = bytearray(needed)
            return
        # Extended in place where the heap allows it; what is there now is of no consequence.
        while len(message) < needed:
            message.extend(self._view[: needed - len(message)])

    def _take(self, count):
        start = self._filled
        self._filled = start + count
        self._left -= count
        if self._opcode == _TEXT:
            # At once and not at the end of the message, as above.
            self._utf8 = utf8_check(self._message, start, self._filled, self._utf8)
            if self._utf8 == REJECT:
                raise ProtocolError(1007, "text is not UTF-8")

    def _complete(self):
        if self._utf8:
            raise ProtocolError(1007, "text is not UTF-8")
        opcode, self._opcode = self._opcode, 0
        self._start = -1
        self._idle = self._max >= self._room
        return opcode


class Transmitter:
    """Builds masked frames (section 5.3) in a kept buffer, one piece at a time.

    `send` does it all unless the connection blocks; the rest is for `flush`.
    """

    def __init__(self, buffer_size):
        # A multiple of four, so that each piece starts in phase with the key.
        self._room = max(buffer_size, 128) & ~3
        # A board without PSRAM needs its heap in one piece, for the messages themselves.
        self._most = min(_WIDE * self._room, mem_free() >> 5)
        self._kept = bytearray(PAYLOAD + self._room)
        self.buffer = self._kept
        self.start = self.end = 0  # what is to be sent of the buffer
        self._payload = None  # of a frame that has more pieces to come
        self._size = 0
        self._done = 0  # how many of its bytes are in pieces already
        self.sent = 0  # bytes, in all

    def send(self, opcode, payload, size, write):
        """Send a frame of `size` bytes of `payload`; False when the rest is for `flush`.

        payload: bytes-like. write: function of buffer, start and count that sends that part of
        a buffer, and returns how many bytes it took, or None when it would block. Raises what
        that raises.
        """
        # The usual frame is in one piece, goes out at once, and leaves no trace but a sum.
        if size <= self._room:
            buffer = self.buffer
            start = frame(buffer, payload, opcode, size, 0, size)
            if start:
                due = _PAYLOAD + size - start
                count = write(buffer, start, due)
                if count == due:
                    self.sent += due
                    return True
                self.end = start + due
                self.start = start + (count or 0)
                self.sent += count or 0
                return False
        self.begin(opcode, payload, size)
        return self.flush(write)

    def begin(self, opcode, payload, size):
        """Build the first piece of a frame, and send nothing yet."""
        room = min(size, self._most)
        if room > len(self.buffer) - PAYLOAD:
            self._widen(room)
        buffer = self.buffer
        count = min(size, len(buffer) - PAYLOAD)
        if count < size:
            self._payload = payload
            self._size = size
            self._done = count
        start = frame(buffer, payload, opcode, size, 0, count)
        if not start:
            # Mask keys come from the system's source (section 10.3), for many frames at once.
            buffer[:POOL] = os.urandom(POOL)
            buffer[POOL] = POOL >> 2
            start = frame(buffer, payload, opcode, size, 0, count)
        self.start = start
        self.end = PAYLOAD + count

    def _widen(self, room):
        # Each piece costs a write, and over TLS a record.
        try:
            self.buffer = bytearray(PAYLOAD + (room + 3 & ~3))
        except MemoryError:
            self._most = 0

    def flush(self, write):
        """Send what is due, masking one piece after another; False when it would block."""
        while self.start != self.end or self.more():
            count = write(self.buffer, self.start, self.end - self.start)
            if not count:
                return False
            self.sent += count
            self.start += count
        return True

    def more(self):
        """Bring the next piece into the buffer; False when the frame is complete."""
        payload = self._payload
        if payload is None:
            return False
        buffer = self.buffer
        done = self._done
        count = min(self._size - done, len(buffer) - PAYLOAD)
        frame(buffer, payload, 0, 0, done, count)
        self.start = PAYLOAD
        self.end = PAYLOAD + count
        self._done = done = done + count
        if done == self._size:
            self._payload = None
        return True

    def trim(self):
        """Give the memory of a long frame back, unless it is still on its way."""
        if self.start == self.end and self._payload is None:
            self.buffer = self._kept


def close_payload(code, reason=""):
    """The payload of a Close frame (section 5.5.1); the reason is cut to what fits."""
    if code is None:
        return b""
    text = reason.encode()
    if len(text) > 123:
        text = text[:123]
        while text and utf8_check(text, 0, len(text), 0):
            text = text[:-1]
    return bytes((code >> 8, code & 255)) + text


def parse_close(data):
    """The (code, reason) of a received Close frame; 1005 when it has none.

    Raises:
        ProtocolError: one byte, a code that must not be sent (section 7.4), or bad UTF-8.
    """
    size = len(data)
    if not size:
        return 1005, ""
    code = data[0] << 8 | data[1] if size > 1 else 0
    if not (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) and not 3000 <= code <= 4999:
        raise ProtocolError(1002, "a close code is not valid")
    if utf8_check(data, 2, size, 0):
        raise ProtocolError(1007, "a close reason is not UTF-8")
    return code, str(bytes(data[2:]), "utf-8")

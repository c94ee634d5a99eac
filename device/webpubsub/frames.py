"""RFC 6455 frames without I/O: a receiver to fill, and a transmitter to empty.

Both work in buffers that are allocated once. The receiver hands out where the next bytes go
(`space`), is told how many came (`filled`), and yields complete messages (`parse`). A long message
is read straight into its own buffer. The transmitter masks a payload piece by piece into the
buffer from which it is sent.
"""

import os

from .errors import ProtocolError
from .kernels import REJECT, mask_copy, utf8_check

try:
    from micropython import const
except ImportError:  # CPython

    def const(number):
        return number


# Opcodes (section 5.2)
CONTINUATION = 0
TEXT = 1
BINARY = 2
CLOSE = 8
PING = 9
PONG = 10

_FIN = const(0x80)
_MASKED = const(0x80)
# The payload begins at a multiple of the word size, whatever the length of its header.
_PAYLOAD = const(16)
_KEY = const(12)
# Mask keys are drawn from the system's source in lots: one call for 16 frames.
_KEY_POOL = const(64)


class Receiver:
    """Parses what a server sends.

    buffer_size: bytes of the kept buffer, at least 256. max_size: largest message in bytes.

    After `parse()` returned an opcode, `data` is the payload: bytes-like, and valid only until
    the next call.
    """

    def __init__(self, buffer_size, max_size):
        self._buffer = bytearray(max(buffer_size, 256))
        self._view = memoryview(self._buffer)
        self._pos = 0  # first byte that is not parsed
        self._end = 0  # first byte that is not filled
        self._max = max_size
        self._left = -1  # bytes of the current data frame that are due; -1: a header is due
        self._final = False
        self._opcode = 0  # of the message that is being put together; 0: none
        self._message = None  # bytearray that is being filled
        self._filled = 0  # how many bytes of it are there
        self._utf8 = 0
        self.data = None
        self.received = 0  # bytes, in all

    def space(self):
        """A memoryview, never empty, for the next bytes from the connection."""
        if self._left > 0:
            return memoryview(self._message)[self._filled : self._filled + self._left]
        if self._pos == self._end:
            self._pos = self._end = 0
            return self._view
        if self._pos:
            # Only the head of one frame is ever moved: parse() has taken everything else.
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
            if self._end - self._pos >= len(self._buffer):
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

    def holds(self, part):
        """Whether `data` holds some bytes; a memoryview itself cannot be searched."""
        data = self.data
        if type(data) is bytearray:
            return data.find(part) >= 0
        return self._buffer.find(part, self._pos - len(data), self._pos) >= 0

    def next(self, read):
        """Parse, and read as long as there is something to read.

        read: function of a memoryview that fills it and returns a number of bytes, 0 at the end
        of the stream, None when it would block. Returns an opcode, as `parse` does; 0 when
        `read` would block; -1 at the end of the stream. Raises what they raise.
        """
        while True:
            if self._left < 0 and self._pos + 1 < self._end:
                opcode = self._short() or self.parse()
                if opcode:
                    return opcode
            elif not self._left:
                opcode = self.parse()
                if opcode:
                    return opcode
            if self._left <= 0 and self._pos == self._end:
                # The usual case, without a slice: all that was read is parsed.
                count = read(self._view)
                if count:
                    self._pos = 0
                    self._end = count
            else:
                count = read(self.space())
                if count:
                    self.filled(count)
            if not count:
                return 0 if count is None else -1
            self.received += count

    def _short(self):
        # The usual frame: a whole data message that is whole in the buffer, of less than 64 KiB.
        # 0 for any other. Few locals: more than eleven words of them would come from the heap.
        buffer, pos, end = self._buffer, self._pos + 2, self._end
        opcode = buffer[pos - 2] - _FIN
        size = buffer[pos - 1]
        if size == 126 and pos + 2 < end:
            size = buffer[pos] << 8 | buffer[pos + 1]
            pos += 2
            if size < 126:
                return 0
        elif size > 125:
            return 0
        size += pos
        if size > end or not 0 < opcode <= BINARY or self._opcode or size - pos > self._max:
            return 0
        if opcode == TEXT and utf8_check(buffer, pos, size, 0):
            return 0
        self.data = self._view[pos:size]
        self._pos = size
        return opcode

    def parse(self):
        """The opcode of the next complete message or control frame; 0 when more bytes are due.

        Raises:
            ProtocolError: with the close code of RFC 6455, section 7.4.1.
        """
        self.data = None
        while True:
            if self._left < 0:
                opcode = self._header()
                if opcode or self._left < 0:
                    return opcode
            if self._left:
                count = min(self._left, self._end - self._pos)
                if count:
                    start, end = self._filled, self._filled + count
                    self._message[start:end] = self._view[self._pos : self._pos + count]
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
            self.data = self._view[pos + 2 : pos + 2 + length]
            self._pos = pos + 2 + length
            return opcode
        if opcode > BINARY:
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
        if length + self._filled > self._max:
            raise ProtocolError(1009, "a message is larger than %d bytes" % self._max)
        if not self._opcode and first & _FIN and have >= head + length:
            # The usual case: the whole message is in the buffer, and is lent from there.
            start = pos + head
            self._pos = start + length
            if opcode == TEXT and utf8_check(buffer, start, self._pos, 0):
                raise ProtocolError(1007, "text is not UTF-8")
            self.data = self._view[start : self._pos]
            return opcode
        if opcode:
            self._opcode = opcode
        self._final = bool(first & _FIN)
        self._left = length
        self._pos = pos + head
        try:
            self._grow(self._filled + length)
        except MemoryError:
            self._message = None
            raise ProtocolError(1009, "no memory for a message of %d bytes" % length)
        return 0

    def _grow(self, needed):
        message = self._message
        if message is None:
            self._message = bytearray(needed)
            return
        # Extended in place where the heap allows it; what is there now is of no consequence.
        while len(message) < needed:
            message.extend(self._view[: needed - len(message)])

    def _take(self, count):
        start = self._filled
        self._filled = start + count
        self._left -= count
        if self._opcode == TEXT:
            # At once and not at the end of the message: section 8.1, and Autobahn's 6.4.
            self._utf8 = utf8_check(self._message, start, self._filled, self._utf8)
            if self._utf8 == REJECT:
                raise ProtocolError(1007, "text is not UTF-8")

    def _complete(self):
        opcode, message = self._opcode, self._message
        if self._utf8:
            raise ProtocolError(1007, "text is not UTF-8")
        self.data = message
        self._opcode = self._filled = 0
        self._message = None
        return opcode


class Transmitter:
    """Builds masked frames (section 5.3) in a kept buffer, one piece at a time.

    After `begin`, and after each `more`, send `buffer[start:end]`.
    """

    def __init__(self, buffer_size):
        # A multiple of four, so that each piece starts in phase with the key.
        self._room = max(buffer_size, 128) & ~3
        self.buffer = bytearray(_PAYLOAD + self._room)
        self.start = self.end = 0
        self._payload = None  # of a frame that has more pieces to come
        self._size = 0
        self._done = 0  # how many of its bytes are in pieces already
        self._pool = None
        self._next_key = _KEY_POOL
        self.sent = 0  # bytes, in all

    def begin(self, opcode, payload, size):
        """Start a frame of `size` bytes of `payload`, which must be bytes-like."""
        buffer = self.buffer
        at = self._next_key
        if at == _KEY_POOL:
            self._pool = os.urandom(_KEY_POOL)
            at = 0
        self._next_key = at + 4
        buffer[12:16] = self._pool[at : at + 4]
        if size < 126:
            self.start = at = 10
            buffer[11] = _MASKED | size
        else:
            self.start = at = self._long_header(buffer, size)
        buffer[at] = _FIN | opcode
        if size > self._room:
            self._payload = payload
            self._size = size
            self._done = size = self._room
        mask_copy(buffer, _PAYLOAD, payload, 0, size, _KEY)
        self.end = _PAYLOAD + size

    def flush(self, write):
        """Send what is there, masking one piece after another; False when it would block.

        write: function of buffer, start and count that sends that part of a buffer, and returns
        how many bytes it took, or None when it would block. Raises what it raises.
        """
        while True:
            start = self.start
            count = write(self.buffer, start, self.end - start)
            if not count:
                return False
            self.sent += count
            self.start = start + count
            if self.start == self.end and (self._payload is None or not self.more()):
                return True

    def _long_header(self, buffer, size):
        if size < 65536:
            buffer[9] = _MASKED | 126
            buffer[10] = size >> 8
            buffer[11] = size & 255
            return 8
        buffer[3] = _MASKED | 127
        for i in range(11, 3, -1):
            buffer[i] = size & 255
            size >>= 8
        return 2

    def more(self):
        """Bring the next piece into the buffer; False when the frame is complete."""
        payload = self._payload
        if payload is None:
            return False
        done = self._done
        count = min(self._size - done, self._room)
        mask_copy(self.buffer, _PAYLOAD, payload, done, count, _KEY)
        self.start = _PAYLOAD
        self.end = _PAYLOAD + count
        self._done = done = done + count
        if done == self._size:
            self._payload = None
        return True


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

"""The frame codec of RFC 6455: what a server sends, and what we send."""

import webpubsub.frames as frames
from checks import equal, raises
from webpubsub.closing import close_payload, parse_close
from webpubsub.errors import ProtocolError
from webpubsub.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    END,
    PAUSE,
    PING,
    PONG,
    TEXT,
    WAIT,
    Receiver,
    Transmitter,
)

LENGTHS = (
    0,
    1,
    2,
    3,
    4,
    5,
    124,
    125,
    126,
    127,
    128,
    255,
    256,
    257,
    1000,
    2046,
    2047,
    2048,
    2049,
    5000,
)


def frame(opcode, payload=b"", fin=True, rsv=0, masked=False, form=None):
    """One frame of a server; `form` forces a length form: 7, 16 or 64 bits."""
    size = len(payload)
    if form is None:
        form = 7 if size < 126 else 16 if size < 65536 else 64
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    mark = 0x80 if masked else 0
    if form == 7:
        head += bytes([mark | size])
    elif form == 16:
        head += bytes([mark | 126, size >> 8, size & 255])
    else:
        head += bytes([mark | 127]) + bytes((size >> (8 * i)) & 255 for i in range(7, -1, -1))
    return head + (b"\x00\x00\x00\x00" if masked else b"") + payload


class Source:
    """A connection that has some bytes now; after them it would block, or has ended."""

    def __init__(self, data, step=5000, end=None):
        self.data, self.step, self.end = data, step, end
        self.reads = 0

    def read(self, view):
        self.reads += 1
        if not self.data:
            return self.end
        assert len(view)
        count = min(len(view), len(self.data), self.step)
        view[:count] = self.data[:count]
        self.data = self.data[count:]
        return count


def run_until_drained(receiver, source):
    """All messages until the stream ends, or would block with nothing left."""
    messages = []
    while True:
        opcode = receiver.next(source.read)
        if opcode == END or (opcode == WAIT and not source.data):
            return messages, opcode
        if opcode not in (WAIT, PAUSE):
            messages.append((opcode, bytes(receiver.view())))


def feed(receiver, data, step=5000):
    """Give bytes to a receiver, `step` at a time; returns [(opcode, payload)]."""
    return run_until_drained(receiver, Source(data, step))[0]


def room(receiver):
    """Bytes of its buffer that are free: what it offers to its next read."""
    offered = []

    def read(view):
        offered.append(len(view))

    equal(receiver.next(read), WAIT)
    return offered[0]


def with_share(size):
    """A receiver on a board where so many bytes may be kept for speed: 1/8 of the free heap."""
    saved = frames.spare
    frames.spare = lambda: 8 * size
    try:
        return Receiver(256, 8192)
    finally:
        frames.spare = saved


def text(size):
    return bytes(97 + i % 26 for i in range(size))


def refused(data, code, max_size=65536):
    """The bytes are refused with a close code, at once and byte by byte."""
    for step in (5000, 1):
        error = raises(ProtocolError, feed, Receiver(512, max_size), data, step)
        equal(error.code, code)


# receiving


def test_every_length_form():
    for size in LENGTHS:
        for opcode in (TEXT, BINARY):
            for buffer_size in (256, 2048):
                receiver = Receiver(buffer_size, 8192)
                equal(feed(receiver, frame(opcode, text(size))), [(opcode, text(size))])


def test_split_at_every_byte():
    stream = (
        frame(TEXT, "grüße".encode())
        + frame(PING, b"p")
        + frame(BINARY, bytes(range(200)))
        + frame(TEXT, "ä".encode() * 200)
        + frame(PONG)
        + frame(BINARY)
    )
    expected = feed(Receiver(2048, 4096), stream)
    equal([opcode for opcode, _ in expected], [TEXT, PING, BINARY, TEXT, PONG, BINARY])
    for cut in range(len(stream)):
        receiver = Receiver(256, 4096)
        found = feed(receiver, stream[:cut])
        found += feed(receiver, stream[cut:])
        equal(found, expected)


def test_every_step():
    stream = frame(TEXT, "ä".encode() * 70) + frame(BINARY, text(700)) + frame(PING, text(125))
    expected = [(TEXT, "ä".encode() * 70), (BINARY, text(700)), (PING, text(125))]
    for step in range(1, 160):
        equal(feed(Receiver(256, 4096), stream * 2, step), expected * 2)


def test_fragments_with_control_frames_between():
    stream = (
        frame(TEXT, b"one ", fin=False)
        + frame(PING, b"between")
        + frame(CONTINUATION, b"two ", fin=False)
        + frame(PONG, b"x")
        + frame(CONTINUATION, b"", fin=False)
        + frame(PING)
        + frame(CONTINUATION, b"three")
        + frame(BINARY, b"next")
    )
    expected = [
        (PING, b"between"),
        (PONG, b"x"),
        (PING, b""),
        (TEXT, b"one two three"),
        (BINARY, b"next"),
    ]
    for step in range(1, len(stream) + 1):
        equal(feed(Receiver(256, 4096), stream, step), expected)


def test_many_small_fragments():
    payload = text(600)
    stream = b"".join(
        frame(TEXT if i == 0 else CONTINUATION, payload[i : i + 3], fin=i == 597)
        for i in range(0, 600, 3)
    )
    equal(feed(Receiver(256, 600), stream, 7), [(TEXT, payload)])


def test_empty_fragments():
    stream = frame(BINARY, fin=False) + frame(CONTINUATION, fin=False) + frame(CONTINUATION)
    for step in (1, 2, 5000):
        equal(feed(Receiver(256, 0), stream, step), [(BINARY, b"")])


def test_text_split_in_mid_character():
    snow = "☃".encode()
    stream = frame(TEXT, snow[:1], fin=False) + frame(PING) + frame(CONTINUATION, snow[1:])
    for step in (1, 2, 3, 5000):
        equal(feed(Receiver(256, 100), stream, step), [(PING, b""), (TEXT, snow)])


def test_messages_that_wrap_the_buffer():
    receiver = Receiver(256, 4096)
    stream = b"".join(frame(BINARY, bytes([i]) * (i % 90)) for i in range(200))
    found = feed(receiver, stream, 61)
    equal([len(data) for _, data in found], [i % 90 for i in range(200)])
    assert all(data == bytes([i]) * (i % 90) for i, (_, data) in enumerate(found))


def test_holds_looks_into_the_payload_only():
    for size in (10, 100, 300, 1000):
        receiver = Receiver(256, 4096)
        before, after = frame(TEXT, b"\\u0041"), frame(TEXT, b"\\u0041")
        payload = text(size)
        for body, expected in ((payload, False), (payload[:-2] + b"\\u", True)):
            source = Source(before + frame(TEXT, body) + after)
            seen = []
            while len(seen) < 3:
                if receiver.next(source.read) == TEXT:
                    seen.append(receiver.holds(b"\\u"))
            equal(seen, [True, expected, True])


def test_holds_in_a_fragmented_message():
    receiver = Receiver(256, 4096)
    stream = frame(TEXT, b"a\\", fin=False) + frame(CONTINUATION, b"u", fin=False)
    equal(receiver.next(Source(stream).read), WAIT)
    equal(receiver.next(Source(frame(CONTINUATION, b"b")).read), TEXT)
    assert receiver.holds(b"\\u")
    assert not receiver.holds(b"\\x")


# refusing


def test_reserved_bits():
    for rsv in (1, 2, 4, 7):
        refused(frame(TEXT, b"x", rsv=rsv), 1002)
        refused(frame(PING, rsv=rsv), 1002)


def test_masked_frames():
    refused(frame(TEXT, b"x", masked=True), 1002)
    refused(frame(CLOSE, masked=True), 1002)


def test_unknown_opcodes():
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        refused(frame(opcode), 1002)
        refused(frame(opcode, b"x"), 1002)


def test_control_frames_that_are_too_long_or_fragmented():
    refused(frame(PING, bytes(126)), 1002)
    refused(frame(CLOSE, bytes(126)), 1002)
    refused(frame(PING, b"x", fin=False), 1002)
    refused(frame(PING, b"x", form=16), 1002)


def test_fragments_out_of_order():
    refused(frame(CONTINUATION, b"x"), 1002)
    refused(frame(CONTINUATION, b"x", fin=False), 1002)
    refused(frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002)
    refused(frame(TEXT, b"a", fin=False) + frame(BINARY, b"b", fin=False), 1002)
    refused(frame(TEXT, b"a") + frame(CONTINUATION, b"b"), 1002)


def test_lengths_that_are_not_minimal():
    for size in (0, 1, 125):
        refused(frame(BINARY, text(size), form=16), 1002)
        refused(frame(BINARY, text(size), form=64), 1002)
    for size in (126, 300):
        refused(frame(BINARY, text(size), form=64), 1002)


def test_length_with_the_highest_bit():
    refused(b"\x82\x7f\x80" + bytes(7), 1002)
    refused(b"\x82\x7f" + b"\xff" * 8, 1002)


def test_messages_over_the_limit():
    equal(len(feed(Receiver(256, 1000), frame(BINARY, bytes(1000)))), 1)
    refused(frame(BINARY, bytes(1001)), 1009, 1000)
    refused(frame(BINARY, b"x"), 1009, 0)
    # The head is enough: nothing of the rest is buffered.
    for head in (b"\x82\x7e\xff\xff", b"\x82\x7f\x00\x00\x00\xff\xff\xff\xff\xff"):
        refused(head, 1009, 1000)
        refused(head, 1009, 65534)


def test_fragments_over_the_limit():
    stream = frame(BINARY, bytes(600), fin=False) + frame(CONTINUATION, bytes(400))
    equal(len(feed(Receiver(256, 1000), stream)), 1)
    refused(frame(BINARY, bytes(600), fin=False) + frame(CONTINUATION, bytes(401)), 1009, 1000)
    many = frame(BINARY, bytes(100), fin=False) + frame(CONTINUATION, bytes(100), fin=False) * 10
    refused(many, 1009, 1000)


def test_text_that_is_not_utf8():
    for bad in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\xc3", b"\xe2\x98"):
        refused(frame(TEXT, bad), 1007)
        refused(frame(TEXT, text(400) + bad), 1007)
        half = len(bad) // 2
        refused(frame(TEXT, bad[:half], fin=False) + frame(CONTINUATION, bad[half:]), 1007)


def test_text_is_refused_before_its_end():
    refused(frame(TEXT, b"\xff", fin=False), 1007)
    # A long message that is wrong in its first bytes, of which the rest never comes.
    refused(frame(TEXT, b"\xff" + bytes(3000))[:300], 1007)


def test_binary_may_be_anything():
    payload = bytes(range(256))
    equal(feed(Receiver(256, 4096), frame(BINARY, payload)), [(BINARY, payload)])


# what comes before the first frame


def test_the_head_and_what_follows():
    receiver = Receiver(256, 100)
    head = b"HTTP/1.1 101 x\r\nA: b\r\n\r\n"
    receiver.fill(Source(head + frame(TEXT, b"early")).read)
    equal(bytes(receiver.unread()), head + frame(TEXT, b"early"))
    receiver.skip(len(head))
    source = Source(b"")
    equal((receiver.next(source.read), bytes(receiver.view())), (TEXT, b"early"))


def test_what_is_not_parsed():
    receiver = Receiver(256, 100)
    receiver.fill(Source(b"hello").read)
    equal(bytes(receiver.unread()), b"hello")
    receiver.skip(2)
    equal(bytes(receiver.unread()), b"llo")
    receiver.skip(3)
    equal(bytes(receiver.unread()), b"")


# sending


def sent(transmitter, opcode, payload):
    """All bytes of one frame."""
    out = bytearray()

    def write(buffer, start, count):
        out.extend(buffer[start : start + count])
        return count

    assert transmitter.send(opcode, payload, len(payload), write)
    return bytes(out)


def unmask(data):
    """Decode one client frame by RFC 6455, section 5.2: (first byte, key, payload)."""
    assert data[1] & 0x80, "a client must mask"
    size, at = data[1] & 127, 2
    if size == 126:
        size, at = data[2] << 8 | data[3], 4
        assert size > 125
    elif size == 127:
        size, at = 0, 10
        for byte in data[2:10]:
            size = size << 8 | byte
        assert size > 65535
    key = data[at : at + 4]
    at += 4
    equal(len(data), at + size)
    return data[0], key, bytes(byte ^ key[i & 3] for i, byte in enumerate(data[at:]))


def test_sent_frames_of_every_length():
    for size in LENGTHS:
        for room in (128, 2048):
            transmitter = Transmitter(room)
            first, _, payload = unmask(sent(transmitter, BINARY, text(size)))
            equal(first, 0x80 | BINARY)
            equal(payload, text(size))


def test_sent_opcodes():
    transmitter = Transmitter(128)
    for opcode in (TEXT, BINARY, CLOSE, PING, PONG):
        first, _, payload = unmask(sent(transmitter, opcode, b"abc"))
        equal((first, payload), (0x80 | opcode, b"abc"))


def test_every_frame_has_a_key_of_its_own():
    transmitter = Transmitter(128)
    keys = set()
    for _ in range(100):
        keys.add(unmask(sent(transmitter, TEXT, b"same"))[1])
    assert len(keys) > 98


def test_a_payload_may_be_any_bytes_like():
    transmitter = Transmitter(128)
    for payload in (b"abcde", bytearray(b"abcde"), memoryview(b"xabcde")[1:]):
        equal(unmask(sent(transmitter, BINARY, payload))[2], b"abcde")


def test_the_payload_itself_stays_as_it_is():
    payload = bytearray(text(300))
    transmitter = Transmitter(128)
    sent(transmitter, BINARY, payload)
    equal(bytes(payload), text(300))


class Wire:
    """A connection that takes `limit` bytes at a time, and blocks in between."""

    def __init__(self, limit):
        self.limit = limit
        self.data = b""
        self.buffer = None  # the last one from which something was to be written
        self._blocked = False

    def write(self, buffer, start, count):
        self.buffer = buffer
        self._blocked = not self._blocked
        if self._blocked:
            return None
        count = min(count, self.limit)
        self.data += bytes(buffer[start : start + count])
        return count


def send_all(transmitter, wire, payload):
    if not transmitter.send(BINARY, payload, len(payload), wire.write):
        while not transmitter.flush(wire.write):
            pass


def test_send_and_flush_over_a_slow_connection():
    for limit in (1, 3, 100, 10000):
        for size in (0, 1, 125, 126, 1000, 5000):
            wire = Wire(limit)
            transmitter = Transmitter(128)
            for opcode in (BINARY, TEXT):
                wire.data = b""
                done = transmitter.send(opcode, text(size), size, wire.write)
                while not done:
                    done = transmitter.flush(wire.write)
                first, _, payload = unmask(wire.data)
                equal((first, payload), (0x80 | opcode, text(size)))
            equal(transmitter.sent, 2 * len(wire.data))


def test_send_at_once():
    class Free(Wire):
        def write(self, buffer, start, count):
            self.data += bytes(buffer[start : start + count])
            return count

    keys = set()
    transmitter = Transmitter(128)
    for _ in range(50):
        wire = Free(0)
        assert transmitter.send(BINARY, b"hello", 5, wire.write)
        _, key, payload = unmask(wire.data)
        equal(payload, b"hello")
        keys.add(key)
    assert len(keys) > 48


def test_the_memory_of_long_messages_is_given_back():
    transmitter = Transmitter(128)
    wire = Wire(100)
    send_all(transmitter, wire, b"abc")
    kept, wire.data = wire.buffer, b""
    done = transmitter.send(BINARY, text(600), 600, wire.write)
    wide = wire.buffer
    while not done:
        transmitter.trim()
        done = transmitter.flush(wire.write)
        assert wire.buffer is wide, "it is on its way"
    equal(unmask(wire.data)[2], text(600))
    assert len(wide) > len(kept)
    transmitter.trim()
    wire.data = b""
    send_all(transmitter, wire, b"abc")
    assert wire.buffer is kept
    equal(unmask(wire.data)[2], b"abc")


# reading


def test_next_reads_and_parses():
    stream = (
        frame(TEXT, "grüße".encode())
        + frame(BINARY, text(100))
        + frame(PING, b"p")
        + frame(BINARY, text(700), fin=False)
        + frame(PONG)
        + frame(CONTINUATION, text(300))
        + frame(TEXT, text(255))
        + frame(BINARY)
    )
    expected = feed(Receiver(2048, 4096), stream)
    for all_at_once in (False, True):
        for end, last in ((None, WAIT), (0, END)):
            for max_size in (4096, 1000):  # above and below the buffer
                for step in (1, 2, 3, 7, 100, 255, 256, 257, 5000):
                    receiver = Receiver(1024, max_size)
                    receiver.begin(all_at_once)
                    source = Source(stream, step, end)
                    found = run_until_drained(receiver, source)
                    if found[1] == WAIT and last == END:
                        found = found[0], receiver.next(source.read)
                    equal(found, (expected, last))
                    equal(receiver.received, len(stream))


def test_a_short_read_is_all():
    receiver = Receiver(1024, 4096)
    receiver.begin(True)
    source = Source(frame(TEXT, b"a") + frame(TEXT, b"b"), 5000)
    equal([receiver.next(source.read) for _ in range(3)], [TEXT, TEXT, WAIT])
    equal(source.reads, 1)
    equal(receiver.next(source.read), WAIT)
    equal(source.reads, 2)
    source.data = frame(TEXT, b"c")
    equal(receiver.next(source.read), TEXT)
    assert receiver.wait
    receiver.wait = False  # instead of a call
    source.data = frame(TEXT, b"d")
    equal(receiver.next(source.read), TEXT)
    equal(source.reads, 4)


def test_without_a_read_only_whole_messages_are_taken():
    for stream, expected in (
        (frame(TEXT, b"a") + frame(BINARY, text(200)), [TEXT, BINARY, 0]),
        (frame(TEXT, b"a") + frame(PING) + frame(TEXT, b"b"), [TEXT, 0, 0]),
        (frame(TEXT, b"a") + frame(TEXT, b"b")[:-1], [TEXT, 0]),
        (frame(TEXT, b"a", fin=False) + frame(CONTINUATION), [0]),
        (frame(TEXT, b"\xff"), [0]),
        (b"", [0]),
    ):
        receiver = Receiver(512, 4096)
        if stream:
            receiver.fill(Source(stream).read)
        equal([receiver.next(None) for _ in expected], expected)
    receiver = Receiver(512, 4096)
    equal(feed(receiver, frame(TEXT, b"a", fin=False)), [])
    receiver.fill(Source(frame(CONTINUATION)).read)
    equal((receiver.next(None), receiver.next(Source(b"").read)), (WAIT, TEXT))


def test_others_have_their_turn():
    receiver = Receiver(256, 4096)
    source = Source(frame(BINARY, bytes(100)) * 100, 5000)
    seen = [receiver.next(source.read) for _ in range(100)]
    assert PAUSE in seen[:20]


def test_copies():
    receiver = Receiver(256, 4096)
    for size in (5, 1000, 400):
        source = Source(frame(BINARY, text(size)), 5000)
        while receiver.next(source.read) != BINARY:
            pass
        copy = receiver.copy()
        equal((type(copy), bytes(copy)), (bytearray, text(size)))
        source.data = frame(BINARY, bytes(size))
        while receiver.next(source.read) != BINARY:
            pass
        equal(bytes(copy), text(size))
        equal(bytes(receiver.view()), bytes(size))


def test_a_buffer_above_its_share_is_given_back_at_once():
    for share, size in ((1100, 1010), (500, 256)):
        receiver = with_share(share)
        equal(feed(receiver, frame(TEXT, text(1000))), [(TEXT, text(1000))])
        equal(room(receiver), size)


def test_a_copy_where_there_is_no_room_for_two():
    receiver = with_share(0)
    for size in (5, 1000, 400):
        source = Source(frame(BINARY, text(size)) + frame(TEXT, b"next"), 600)
        while receiver.next(source.read) != BINARY:
            pass
        copy = receiver.copy()
        equal((type(copy), bytes(copy)), (bytearray, text(size)))
        equal(run_until_drained(receiver, source)[0], [(TEXT, b"next")])
        equal(bytes(copy), text(size))


def test_a_long_message_that_was_lent_makes_room_for_the_next():
    receiver = Receiver(256, 8192)
    kept = room(receiver)
    for size in (1000, 600, 1000, 300):
        equal(feed(receiver, frame(TEXT, text(size))), [(TEXT, text(size))])
        assert room(receiver) > kept
    # One in fragments may grow: it never takes the memory of a view that somebody holds.
    view = receiver.view()
    stream = frame(BINARY, bytes(200), fin=False) + frame(CONTINUATION, bytes(2000))
    equal(feed(receiver, stream), [(BINARY, bytes(2200))])
    equal(len(view), 300)
    receiver.trim()
    equal(room(receiver), kept)
    equal(feed(receiver, frame(TEXT, b"short")), [(TEXT, b"short")])
    # Not while a message is under way.
    equal(feed(receiver, frame(TEXT, text(900), fin=False)), [])
    receiver.trim()
    equal(feed(receiver, frame(CONTINUATION, b"!")), [(TEXT, text(900) + b"!")])


def test_pings_within_a_message_take_no_room():
    receiver = Receiver(256, 8192)
    stream = frame(TEXT, b"a", fin=False)
    pings = 0
    for step in (1, 50, 127, 128, 129, 1000):
        found = feed(receiver, stream + frame(PING, bytes(125)) * 20, step)
        equal({opcode for opcode, _ in found}, {PING})
        pings += len(found)
        stream = frame(CONTINUATION, b"b", fin=False)
    equal(pings, 120)
    assert room(receiver) < 1024, room(receiver)
    equal(feed(receiver, frame(CONTINUATION, b"c")), [(TEXT, b"abbbbbc")])


# close


def test_close_payloads():
    equal(close_payload(None), b"")
    equal(close_payload(1000), b"\x03\xe8")
    equal(close_payload(4999, "bye"), b"\x13\x87bye")


def test_a_close_reason_is_cut_between_characters():
    for size in range(119, 127):
        reason = "x" * size + "☃☃☃"
        payload = close_payload(1000, reason)
        assert 122 <= len(payload) <= 125, len(payload)
        code, cut = parse_close(payload)
        equal(code, 1000)
        assert reason.startswith(cut)


def test_received_close_payloads():
    equal(parse_close(b""), (1005, ""))
    equal(parse_close(b"\x03\xe8"), (1000, ""))
    equal(parse_close(memoryview(b"\x03\xf0gr\xc3\xbc\xc3\x9fe")), (1008, "grüße"))
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014):
        equal(parse_close(close_payload(code))[0], code)
    for code in (3000, 3999, 4000, 4999):
        equal(parse_close(close_payload(code, "x")), (code, "x"))


def test_close_codes_that_must_not_be_sent():
    for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        raises(ValueError, close_payload, code)
        equal(raises(ProtocolError, parse_close, bytes((code >> 8, code & 255))).code, 1002)
    equal(raises(ProtocolError, parse_close, b"\x03").code, 1002)
    equal(raises(ProtocolError, parse_close, b"\x03\xe8\xff").code, 1007)
    equal(raises(ProtocolError, parse_close, b"\x03\xe8\xed\xa0\x80").code, 1007)

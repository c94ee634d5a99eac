"""Frames of the 64-bit length form: of which only one copy fits into the heap of a board."""

from checks import equal
from webpubsub.frames import TEXT, WAIT, Receiver, Transmitter

LETTERS = bytes(97 + i % 26 for i in range(256))


def test_the_64_bit_form():
    parts = [b"\x81\x7f" + (65536).to_bytes(8, "big")] + [LETTERS] * 256

    def read(view):
        if not parts:
            return None
        part = parts.pop(0)
        view[: len(part)] = part
        return len(part)

    receiver = Receiver(2048, 65536)
    opcode = WAIT
    while opcode != TEXT:
        assert parts
        opcode = receiver.next(read)
    data = receiver.view()
    equal(len(data), 65536)
    for start in range(0, 65536, 256):
        assert data[start : start + 256] == LETTERS


def test_sent_frames_of_64_bit_length():
    zeros = memoryview(bytes(65536))
    for size in (65535, 65536):
        seen = [0, b""]

        def write(buffer, start, count, seen=seen, size=size):
            # Zeros, so that what is sent is the key over and over.
            if not seen[1]:
                head = bytes(buffer[start : start + 14])
                body = 10 if head[1] == 255 else 4
                equal(int.from_bytes(head[2:body], "big"), size)
                seen[1] = head[body : body + 4]
                seen[0] = -body - 4
            else:
                equal(bytes(buffer[start : start + 4]), seen[1])
            seen[0] += count
            return count

        transmitter = Transmitter(2048)
        assert transmitter.send(TEXT, zeros[:size], size, write)
        equal(seen[0], size)

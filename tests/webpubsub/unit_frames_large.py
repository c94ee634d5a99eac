"""Frames of the 64-bit length form: of which only one copy fits into the heap of a board."""

from checks import equal
from webpubsub.frames import TEXT, Receiver, Transmitter


def test_the_64_bit_form():
    receiver = Receiver(2048, 65536)
    receiver.space()[:10] = b"\x81\x7f" + (65536).to_bytes(8, "big")
    receiver.filled(10)
    equal(receiver.parse(), 0)
    letters = bytes(97 + i % 26 for i in range(256))
    for _ in range(256):
        view = receiver.space()
        view[:256] = letters
        receiver.filled(256)
        opcode = receiver.parse()
    equal(opcode, TEXT)
    data = receiver.view()
    equal(len(data), 65536)
    for start in range(0, 65536, 256):
        assert data[start : start + 256] == letters


def test_sent_frames_of_64_bit_length():
    zeros = memoryview(bytes(65536))
    for size in (65535, 65536):
        transmitter = Transmitter(2048)
        payload = zeros[:size]
        transmitter.begin(TEXT, payload, size)
        # Zeros, so that what is sent is the key over and over.
        head = bytes(transmitter.buffer[transmitter.start : transmitter.start + 14])
        wide = size == 65536
        equal(head[1], 0x80 | (127 if wide else 126))
        start = 10 if wide else 4
        equal(int.from_bytes(head[2:start], "big"), size)
        key = head[start : start + 4]
        total = transmitter.end - transmitter.start - start - 4
        while transmitter.more():
            piece = transmitter.buffer[transmitter.start : transmitter.end]
            assert bytes(piece[:4]) == key
            total += len(piece)
        equal(total, size)

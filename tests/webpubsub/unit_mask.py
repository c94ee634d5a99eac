"""The frame kernels: headers and masking, against the definitions in RFC 6455, section 5."""

from checks import equal
from webpubsub.kernels import frame
from webpubsub.portable import frame as portable_frame

# Where the kernels have them in a buffer: the number of keys, and the payload.
POOL = 64
PAYLOAD = 80
HEAD = 16  # asks for a header without a payload
KERNELS = (frame, portable_frame)
KEY = b"\x37\xfa\x21\x3d"


def masked(data):
    """By definition: transformed[i] = original[i] XOR key[i MOD 4]."""
    return bytes(byte ^ KEY[i & 3] for i, byte in enumerate(data))


def sample(size):
    return bytes((7 * i + 3) & 255 for i in range(size))


def filled(room):
    """A buffer whose last key is KEY."""
    buffer = bytearray(b"\xaa" * (PAYLOAD + room))
    buffer[POOL] = 3
    buffer[8:12] = KEY
    return buffer


def piece(kernel, source, start, count):
    """What a kernel masks; it must leave the bytes behind alone."""
    buffer = filled(count + 8)
    kernel(buffer, b"", 2, 0)  # takes the key
    before = bytes(buffer[:PAYLOAD])
    equal(kernel(buffer, source, start << 5, count), PAYLOAD)
    equal(bytes(buffer[:PAYLOAD]), before)
    equal(bytes(buffer[PAYLOAD + count :]), b"\xaa" * 8)
    return bytes(buffer[PAYLOAD : PAYLOAD + count])


def test_the_example_of_the_rfc():
    for kernel in KERNELS:
        buffer = filled(8)
        start = kernel(buffer, b"Hello", 1, 5)
        found = bytes(buffer[start : PAYLOAD + 5])
        equal(found, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")


def test_headers_of_every_length_form():
    sizes = (0, 125, 126, 127, 255, 256, 65535, 65536, 0x12345678)
    for kernel in KERNELS:
        for size in sizes:
            buffer = filled(4)
            start = kernel(buffer, b"", HEAD | 2, size)
            if size < 126:
                head = bytes((0x82, 0x80 | size))
            elif size < 65536:
                head = b"\x82\xfe" + size.to_bytes(2, "big")
            else:
                head = b"\x82\xff" + size.to_bytes(8, "big")
            equal(bytes(buffer[start:PAYLOAD]), head + KEY)
            equal(bytes(buffer[PAYLOAD:]), b"\xaa" * 4)


def test_keys_are_used_once_and_run_out():
    for kernel in KERNELS:
        buffer = filled(4)
        for left in (2, 1, 0):
            expected = bytes(buffer[4 * left : 4 * left + 4])
            start = kernel(buffer, b"", 9, 0)
            equal(bytes(buffer[start:PAYLOAD]), b"\x89\x80" + expected)
            equal(buffer[POOL], left)
        equal(kernel(buffer, b"", 9, 0), 0)


def test_every_length_up_to_a_few_words():
    for kernel in KERNELS:
        for size in range(40):
            data = sample(size)
            equal(piece(kernel, data, 0, size), masked(data))


def test_every_alignment_of_the_payload():
    data = sample(64)
    for kernel in KERNELS:
        for shift in range(5):
            source = memoryview(bytearray(shift) + data)[shift:]
            equal(piece(kernel, source, 0, 33), masked(data[:33]))


def test_a_later_piece():
    data = sample(64)
    for kernel in KERNELS:
        for start in (0, 4, 8, 20):
            equal(piece(kernel, data, start, 30), masked(data[start : start + 30]))


def test_longer_than_a_chunk_of_the_portable_kernel():
    for kernel in KERNELS:
        for size in (511, 512, 513, 1024, 1500, 2047):
            data = sample(size)
            equal(piece(kernel, data, 0, size), masked(data))


def test_all_bytes_likes():
    data = sample(21)
    for kernel in KERNELS:
        for source in (data, bytearray(data), memoryview(data)):
            equal(piece(kernel, source, 0, 21), masked(data))

"""The mask kernels, against the definition in RFC 6455, section 5.3."""

from checks import equal
from webpubsub.kernels import mask_copy
from webpubsub.portable import mask_copy as portable_mask_copy

KERNELS = (mask_copy, portable_mask_copy)
KEY = b"\x37\xfa\x21\x3d"


def masked(data):
    """By definition: transformed[i] = original[i] XOR key[i MOD 4]."""
    return bytes(byte ^ KEY[i & 3] for i, byte in enumerate(data))


def sample(size):
    return bytes((7 * i + 3) & 255 for i in range(size))


def apply(kernel, source, start, count, offset):
    target = bytearray(b"\xaa" * (16 + offset + count + 8))
    target[12:16] = KEY
    kernel(target, 16 + offset, source, start, count, 12)
    equal(bytes(target[12:16]), KEY)
    equal(bytes(target[:12]), b"\xaa" * 12)
    equal(bytes(target[16 : 16 + offset]), b"\xaa" * offset)
    equal(bytes(target[16 + offset + count :]), b"\xaa" * 8)
    return bytes(target[16 + offset : 16 + offset + count])


def test_the_example_of_the_rfc():
    for kernel in KERNELS:
        equal(apply(kernel, b"Hello", 0, 5, 0), b"\x7f\x9f\x4d\x51\x58")


def test_every_length_up_to_a_few_words():
    for kernel in KERNELS:
        for size in range(40):
            data = sample(size)
            equal(apply(kernel, data, 0, size, 0), masked(data))


def test_every_alignment_of_both_sides():
    data = sample(64)
    for kernel in KERNELS:
        for shift in range(5):
            for offset in range(5):
                source = memoryview(bytearray(shift) + data)[shift:]
                equal(apply(kernel, source, 0, 33, offset), masked(data[:33]))


def test_a_later_piece():
    data = sample(64)
    for kernel in KERNELS:
        for start in (0, 4, 8, 20):
            equal(apply(kernel, data, start, 30, 0), masked(data[start : start + 30]))


def test_longer_than_a_chunk_of_the_portable_kernel():
    for kernel in KERNELS:
        for size in (511, 512, 513, 1024, 1500, 2047):
            data = sample(size)
            equal(apply(kernel, data, 0, size, 0), masked(data))


def test_all_bytes_likes():
    data = sample(21)
    for kernel in KERNELS:
        for source in (data, bytearray(data), memoryview(data)):
            equal(apply(kernel, source, 0, 21, 0), masked(data))

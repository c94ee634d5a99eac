"""The UTF-8 check: both kernels, all splits, all alignments."""

from checks import equal
from webpubsub.kernels import utf8_check
from webpubsub.portable import utf8_check as portable_utf8_check

REJECT = 1
KERNELS = (utf8_check, portable_utf8_check)

GOOD = (
    b"",
    b"\x00",
    b"\x7f",
    b"plain ascii, longer than a word",
    b"\xc2\x80",
    b"\xdf\xbf",
    b"\xe0\xa0\x80",
    b"\xe1\x80\x80",
    b"\xec\xbf\xbf",
    b"\xed\x80\x80",
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xef\xbb\xbf",
    b"\xef\xbf\xbf",
    b"\xf0\x90\x80\x80",
    b"\xf1\x80\x80\x80",
    b"\xf3\xbf\xbf\xbf",
    b"\xf4\x80\x80\x80",
    b"\xf4\x8f\xbf\xbf",
    "κόσμε – Ladesäule 充电桩 😀".encode(),
)

# Bytes that can never become UTF-8, whatever follows.
BAD = (
    b"\x80",
    b"\xbf",
    b"\xc0\x80",
    b"\xc0",
    b"\xc1\xbf",
    b"\xc2\x00",
    b"\xc2\x7f",
    b"\xc2\xc0",
    b"\xe0\x80\x80",
    b"\xe0\x9f\xbf",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xe1\x80\x41",
    b"\xe1\x41",
    b"\xf0\x80\x80\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xf5",
    b"\xf8\x88\x80\x80\x80",
    b"\xfe",
    b"\xff",
    b"\xf1\x80\x80\xc0",
)


def test_good_in_every_split_and_alignment():
    for check in KERNELS:
        for text in GOOD:
            for offset in range(9):
                data = bytearray(b"x" * offset) + text
                size = len(data)
                equal(check(data, offset, size, 0), 0)
                for middle in range(offset, size + 1):
                    state = check(data, offset, middle, 0)
                    assert state != REJECT, (text, middle)
                    equal(check(data, middle, size, state), 0)


def test_good_byte_by_byte():
    for check in KERNELS:
        for text in GOOD:
            state = 0
            for at in range(len(text)):
                state = check(text, at, at + 1, state)
            equal(state, 0)


def test_bad_is_refused_at_once():
    for check in KERNELS:
        for text in BAD:
            for before in (b"", b"a", b"abcdefg", b"\xc3\xa4"):
                data = before + text
                equal(check(data, 0, len(data), 0), REJECT)
                for middle in range(len(data) + 1):
                    state = check(data, 0, middle, 0)
                    equal(check(data, middle, len(data), state), REJECT)


def test_refused_stays_refused():
    for check in KERNELS:
        equal(check(b"abc", 0, 3, REJECT), REJECT)
        equal(check(b"", 0, 0, REJECT), REJECT)


def test_cut_short_is_neither():
    for check in KERNELS:
        for text in GOOD:
            if text and text[0] >= 0xC2 and len(text) < 5:
                for end in range(1, len(text)):
                    assert check(text, 0, end, 0) not in (0, REJECT), (text, end)


def test_an_empty_part_changes_nothing():
    for check in KERNELS:
        state = check(b"\xe1\x80", 0, 2, 0)
        equal(check(b"", 0, 0, state), state)
        equal(check(b"\x80", 0, 1, state), 0)


def test_only_the_range_is_looked_at():
    for check in KERNELS:
        equal(check(b"\xff\xffabc\xff\xff", 2, 5, 0), 0)


def test_views_are_taken():
    for check in KERNELS:
        data = memoryview(bytearray(b"..\xc3\xa4.."))
        equal(check(data[1:5], 1, 3, 0), 0)


def test_kernels_agree_on_all_pairs():
    pair = bytearray(2)
    for first in range(0x78, 0x100):
        for second in range(0, 256, 5):
            pair[0], pair[1] = first, second
            equal(portable_utf8_check(pair, 0, 2, 0), utf8_check(pair, 0, 2, 0))

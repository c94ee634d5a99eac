"""Texts that lie in a file: found, formatted, and never the reason of another failure."""

import io
import struct

import webpubsub.texts as module
from checks import equal
from webpubsub.texts import read_text

TEXTS = {3: "no answer", 17: "no answer from %s within %d s", 18: "%d %% of %s", 8191: "größer"}


def packed(texts):
    ids = sorted(texts)
    data = [texts[id_].encode() for id_ in ids]
    at = 2 + 4 * (len(texts) + 1)
    table = struct.pack("<H", len(texts))
    for place, id_ in enumerate(ids):
        table += struct.pack("<HH", id_, at)
        at += len(data[place])
    return table + struct.pack("<HH", 0, at) + b"".join(data)


def from_file(data, *arguments):
    """What is read when the file holds `data`; None: there is none."""

    def opened(path, mode):
        assert path.endswith("texts.bin"), path
        if isinstance(data, Exception):
            raise data
        return io.BytesIO(data)

    module.open = opened
    try:
        return read_text(*arguments)
    finally:
        del module.open


def test_every_text_is_found():
    for count in range(1, len(TEXTS) + 1):
        some = {id_: TEXTS[id_] for id_ in sorted(TEXTS)[:count]}
        for id_ in some:
            values = (7, "x") if id_ == 18 else ("x", 7) if id_ == 17 else ()
            equal(from_file(packed(some), id_, values), TEXTS[id_] % values)


def test_values_are_formatted_as_by_the_operator():
    data = packed({5: "%s is wrong", 6: "all of 100 %%"})
    equal(from_file(data, 5, "x"), "x is wrong")
    equal(from_file(data, 5, None), "None is wrong")
    equal(from_file(data, 5, (OSError(2),)), str(OSError(2)) + " is wrong")
    equal(from_file(data, 6), "all of 100 %")


def test_a_text_that_is_not_there_is_told_by_its_number():
    data = packed(TEXTS)
    for wrong in (4, 2, 16, 8190, 9000):
        equal(from_file(data, wrong, ("x", 7)), "text #" + str(wrong) + " ('x', 7)")
    equal(from_file(OSError(2), 17, ("x", 7)), "text #17 ('x', 7)")
    equal(from_file(OSError(2), 17), "text #17 ()")
    equal(from_file(MemoryError(), 17, "x"), "text #17 'x'")


def test_a_damaged_file_raises_nothing():
    data = packed(TEXTS)
    for size in range(len(data)):
        found = from_file(data[:size], 17, ("x", 7))
        assert found == "text #17 ('x', 7)" or size > 40, (size, found)
    assert from_file(bytes(len(data)), 17) == "text #17 ()"
    # Of another build: what is formatted does not fit.
    equal(from_file(packed({17: "%d of %d"}), 17, "x"), "text #17 'x'")


def test_a_value_that_cannot_be_shown():
    class Bad:
        def __repr__(self):
            raise ValueError("no")

    equal(from_file(OSError(2), 17, Bad()), "text #17")

"""Texts for people that are read from a file when one is needed: see hubtool's device_build.

Only what `hubtool deploy` builds uses this: there the texts of errors and of the console are in
`texts.bin` beside this module. Its numbers are 16 bits, little-endian: how many texts there are;
then, in the order of their ids, the id of each and where it begins, and at last 0 and where all
end; then the texts, in UTF-8. An id is made of its text, so code never gets another build's words.
"""

from struct import unpack
from sys import modules


def read_text(id_, values=()):
    """The text of an id, formatted with `values`, as by the operator %.

    Without the file, without that text in it, or without memory: "text #17 (values)", which
    `hubtool explain` can read. Never raises.

    id_: int, as the build gave it. values: what the text has places for.
    """
    try:
        with open("%s/texts.bin" % modules["webpubsub"].__path__, "rb") as file:
            low, high = 0, unpack("<H", file.read(2))[0]
            while low < high:
                middle = (low + high) >> 1
                file.seek(2 + 4 * middle)
                found, start, _, end = unpack("<HHHH", file.read(8))
                if found == id_:
                    file.seek(start)
                    return str(file.read(end - start), "utf-8") % values
                if found < id_:
                    low = middle + 1
                else:
                    high = middle
    except Exception:  # noqa: BLE001, S110 what it would say counts, not that it cannot be read
        pass
    try:
        return "text #%d %r" % (id_, values)
    except Exception:  # noqa: BLE001 as above
        return "text #%d" % id_

"""Text files that people have written or saved, by whichever editor or shell.

Windows tools begin UTF-8 with a byte order mark (Notepad, PowerShell's `-Encoding utf8`), or write
UTF-16 (PowerShell's `>`). The mark is dropped; UTF-16 is refused by its name, because what reads
the file next may be another program that takes UTF-8 only.
"""

from __future__ import annotations

import codecs
from pathlib import Path

# UTF-32 first: its little-endian mark begins like that of UTF-16.
_OTHERS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_SAMPLE = 256


class NotUtf8(ValueError):
    """Bytes that are no text in UTF-8; the text says what they seem to be, and the remedy."""


def without_mark(data: bytes) -> bytes:
    """The bytes of a text without the byte order mark of UTF-8.

    Raises:
        NotUtf8: they are in UTF-16 or UTF-32.
    """
    for mark, name in _OTHERS.items():
        if data.startswith(mark):
            raise NotUtf8(f"text in {name}, not in UTF-8: save it as UTF-8")
    if _looks_like_utf16(data):
        raise NotUtf8("text in UTF-16, not in UTF-8: save it as UTF-8")
    return data.removeprefix(codecs.BOM_UTF8)


def decode_text(data: bytes) -> str:
    """Text in UTF-8 out of its bytes, without a byte order mark, lines ending in newline.

    Raises:
        NotUtf8: it is none.
    """
    data = without_mark(data)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NotUtf8(f"not text in UTF-8 (line {line}): save it as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_text(path: Path) -> str:
    """The text of a file, see `decode_text`.

    Raises:
        OSError: it cannot be read.
        NotUtf8: it is no text in UTF-8; the name of the file is not in the error.
    """
    return decode_text(path.read_bytes())


def _looks_like_utf16(data: bytes) -> bool:
    """Whether every other byte is zero, as in Latin letters in UTF-16 without a mark."""
    sample = data[:_SAMPLE]
    if len(sample) < 4 or len(data) % 2:
        return False
    even, odd = sample[::2], sample[1::2]
    return any(not any(zeros) and all(others) for zeros, others in ((even, odd), (odd, even)))

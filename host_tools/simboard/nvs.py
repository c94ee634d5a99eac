"""Non-volatile storage of a board, in the nvs partition of its flash file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

NOT_FOUND = OSError(-4354, "ESP_ERR_NVS_NOT_FOUND")


class Nvs:
    """Keys and values; changes reach the flash file on `commit`.

    The partition holds one line of JSON and its SHA-256, not ESP-IDF's format: after a
    factory NVS image is written over it, the board's storage is empty.
    """

    def __init__(self, path: Path, offset: int, size: int) -> None:
        self._path, self._offset, self._size = path, offset, size
        self._values: dict[str, Any] = {}
        self.reload()

    def reload(self) -> None:
        """Go back to what is in the flash; what does not match its sum counts as empty."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            line, _, rest = file.read(self._size).partition(b"\n")
        self._values = {}
        if rest[:64] == hashlib.sha256(line).hexdigest().encode():
            self._values = json.loads(line)

    def set(self, space: str, key: str, kind: str, value: Any) -> None:
        """Set a number or a blob (a list of bytes).

        Raises:
            OSError: the key is empty or has more than 15 characters (ESP-IDF, NVS).
        """
        if not 0 < len(key) < 16:
            raise OSError(-4361, "ESP_ERR_NVS_KEY_TOO_LONG")
        self._values[f"{space}\n{key}"] = [kind, value]

    def get(self, space: str, key: str, kind: str) -> Any:
        """Get a value of this kind.

        Raises:
            OSError: there is none.
        """
        found, value = self._values.get(f"{space}\n{key}", ("", None))
        if found != kind:
            raise NOT_FOUND
        return value

    def erase(self, space: str, key: str) -> None:
        """Remove a key.

        Raises:
            OSError: there is no such key.
        """
        if self._values.pop(f"{space}\n{key}", None) is None:
            raise NOT_FOUND

    def commit(self) -> None:
        """Write everything to the flash.

        Raises:
            OSError: it does not fit.
        """
        line = json.dumps(self._values).encode()
        record = line + b"\n" + hashlib.sha256(line).hexdigest().encode()
        if len(record) > self._size:
            raise OSError(-4357, "ESP_ERR_NVS_NOT_ENOUGH_SPACE")
        with self._path.open("r+b") as file:
            file.seek(self._offset)
            file.write(record.ljust(self._size, b"\xff"))

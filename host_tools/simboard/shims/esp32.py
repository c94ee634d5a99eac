"""`esp32` on CPython: NVS in memory."""

from __future__ import annotations


class NVS:
    """Numbers and blobs; shared by all objects of one namespace, gone with the process."""

    _spaces: dict[str, dict[str, int | bytes]] = {}  # noqa: RUF012 - shared on purpose

    def __init__(self, namespace: str) -> None:
        self._values = NVS._spaces.setdefault(namespace, {})

    def set_i32(self, key: str, value: int) -> None:
        """Set a number."""
        self._values[key] = value

    def get_i32(self, key: str) -> int:
        """Get a number; OSError when there is none."""
        value = self._values.get(key)
        if not isinstance(value, int):
            raise OSError(-4354, "ESP_ERR_NVS_NOT_FOUND")
        return value

    def set_blob(self, key: str, value: bytes) -> None:
        """Set bytes."""
        self._values[key] = bytes(value)

    def get_blob(self, key: str, buffer: bytearray) -> int:
        """Copy bytes into a buffer; returns how many; OSError when there are none."""
        value = self._values.get(key)
        if not isinstance(value, bytes):
            raise OSError(-4354, "ESP_ERR_NVS_NOT_FOUND")
        if len(value) > len(buffer):
            raise OSError(-4364, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(value)] = value
        return len(value)

    def erase_key(self, key: str) -> None:
        """Remove a key; OSError when there is none."""
        if key not in self._values:
            raise OSError(-4354, "ESP_ERR_NVS_NOT_FOUND")
        del self._values[key]

    def commit(self) -> None:
        """Nothing: it is memory."""

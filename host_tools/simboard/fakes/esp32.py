# mypy: ignore-errors
"""`esp32` as far as a networked device uses it. NVS lies in the nvs partition of the flash."""

import _control

try:
    from uesp32 import HEAP_DATA, HEAP_EXEC, idf_heap_info
except ImportError:  # not the model of the chip
    HEAP_DATA = 4
    HEAP_EXEC = 1

    def idf_heap_info(capabilities):
        """(total, free, largest free block, least free ever) of each region, bytes."""
        return [(7288, 6200, 6016, 6000), (113840, 91904, 86016, 84000)]


WAKEUP_ALL_LOW = False
WAKEUP_ANY_HIGH = True


class NVS:
    def __init__(self, namespace):
        if not 0 < len(namespace) < 16:
            raise OSError(-4361, "ESP_ERR_NVS_INVALID_NAME")
        self._space = namespace

    def set_i32(self, key, value):
        _control.call("nvs.set", self._space, key, "i32", value)

    def get_i32(self, key):
        return _control.call("nvs.get", self._space, key, "i32")

    def set_blob(self, key, value):
        value = value.encode() if isinstance(value, str) else bytes(value)
        _control.call("nvs.set", self._space, key, "blob", list(value))

    def get_blob(self, key, buffer):
        value = bytes(_control.call("nvs.get", self._space, key, "blob"))
        if len(value) > len(buffer):
            raise OSError(-4364, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(value)] = value
        return len(value)

    def erase_key(self, key):
        _control.call("nvs.erase", self._space, key)

    def commit(self):
        _control.call("nvs.commit")


def raw_temperature():
    return 128


def mcu_temperature():
    return 42

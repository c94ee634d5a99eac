# mypy: ignore-errors
"""`sys` as on an ESP32."""

from sys import *
from sys import path, ps1, ps2

__name__ = "sys"
platform = "esp32"

"""Resets a board as its button would; `board/serial_link.py` sends it."""

import time

import machine

# Native USB goes away with the chip: what says that this has arrived must be out before.
time.sleep_ms(100)
machine.reset()

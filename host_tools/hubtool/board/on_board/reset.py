"""Resets a board as its button would; `board/serial_link.py` sends it."""

import machine

machine.reset()

"""Stands for a Link where the network needs no joining: nothing of it in the settings."""

from .link import UP


class Wired:
    """As `Link`, for a board that is always in its network."""

    state = UP
    joins = 1

    def is_up(self):
        return True

    async def wait_up(self):
        return

    def rssi(self):
        return None

    def address(self):
        return None

    def restart(self):
        pass

    async def run(self):
        return

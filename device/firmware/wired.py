"""Stands for a NetworkLink where the network needs no joining: nothing of it in the settings."""

from .link import UP


class Wired:
    """As `NetworkLink`, for a board that is always in its network."""

    state = UP
    joins = 1

    def is_up(self):
        """Always."""
        return True

    async def wait_up(self):
        """At once."""
        return

    def rssi(self):
        """No radio, no strength: None."""
        return

    def address(self):
        """None: it is not known here."""
        return

    def restart(self):
        """Nothing to join anew."""

    async def run(self):
        """Nothing to keep up; returns at once."""
        return

"""What can go wrong with a simulated board, as one exception whose text names the remedy."""

from __future__ import annotations


class SimulatorError(Exception):
    """A simulated board cannot start or go on; the text is one line and names the remedy."""

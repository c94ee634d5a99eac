"""Azure Web PubSub for MicroPython."""

__version__ = "0.1.0"

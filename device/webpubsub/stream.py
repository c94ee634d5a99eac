"""Picks the stream module of this runtime."""

import sys

if sys.implementation.name == "micropython":
    from .stream_micropython import *  # noqa: F403
else:
    from .stream_cpython import *  # noqa: F403

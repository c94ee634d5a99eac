"""Servers and scripts for the tests of the device client."""

from __future__ import annotations

import sys
from pathlib import Path

# importlib mode leaves it to us where helpers are found.
sys.path.append(str(Path(__file__).parent))

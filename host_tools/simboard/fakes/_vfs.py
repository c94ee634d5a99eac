# mypy: ignore-errors
"""`vfs` without the host's file system."""

from vfs import *

__name__ = "vfs"
del VfsPosix

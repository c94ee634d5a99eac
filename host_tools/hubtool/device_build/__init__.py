"""What people read is not what goes onto a board: a build step for the device code.

It works on the sources as they stand, which nobody edits for it: branches that only CPython
takes are left out, private names become names that the firmware image has in its ROM anyway, and
texts for people move into a file that is read when one is needed. A map of each build brings
tracebacks back to names, files and lines that exist. `docs/hubtool.md` says what it saves.
"""

from .build_map import BuildMap, MapError, read_map
from .pipeline import IN_PLACE, Build, Options, Prepared, build, names_of_image, prepare_sources

__all__ = (
    "IN_PLACE",
    "Build",
    "BuildMap",
    "MapError",
    "Options",
    "Prepared",
    "build",
    "names_of_image",
    "prepare_sources",
    "read_map",
)

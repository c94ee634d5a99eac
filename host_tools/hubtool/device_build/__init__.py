"""What people read is not what goes onto a board: a build step for the device code.

It works on the sources as they stand, which nobody edits for it: branches that only CPython
takes are left out, private names become names that the firmware image has in its ROM anyway, and
texts for people move into a file that is read when one is needed. A map of each build brings
tracebacks back to names, files and lines that exist. `docs/hubtool.md` says what it saves.

From the top down:

    pipeline     the steps in their order, and the compiler
    branches     takes out what only CPython runs, by a table of what is known of every MicroPython
    texts        moves texts into `texts.bin`; `webpubsub/texts.py` reads them
    identifiers  which names are private: the rule is its docstring; `public.txt` and
                 `internal.txt` have the exceptions
    renaming     gives private names names of the image, one to one
    flat         gives modules names of the image; `webpubsub/__init__.py` loads them
    literals     keeps short texts of modules that are loaded for one use from becoming names
    cache        keeps builds, so that each is made once on a computer
    source       edits a text in place, so that every line keeps its number
    build_map, maps, explain    the map of a build, where it is kept, and the way back from a
                                traceback
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

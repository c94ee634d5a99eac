"""The files of the page, as they are shipped: nothing is built, nothing comes from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file.

    Attributes:
        content_type: for the header of that name.
        data: its bytes.
    """

    content_type: str
    data: bytes


def load_assets() -> dict[str, Asset]:
    """All files by name."""
    assets = {}
    for file in resources.files(__package__).joinpath("static").iterdir():
        content_type = _TYPES.get(file.name[file.name.rfind(".") :])
        if content_type is not None:
            assets[file.name] = Asset(content_type, file.read_bytes())
    return assets

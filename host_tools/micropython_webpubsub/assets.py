"""Where the files for a board lie: in a checkout, or inside an installed wheel."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

_PACKAGE = Path(str(files(__package__)))
# device/webpubsub/stream_cpython.py is the shell of the other runtime: never flashed.
_NOT_FOR_BOARDS = frozenset({"stream_cpython.py"})
# MicroPython runs these two by their source names; everything else may be bytecode.
_STARTERS = ("boot.py", "main.py")


class DeviceFile(NamedTuple):
    """One file that belongs on a board.

    Attributes:
        source: the file on this computer.
        target: its absolute path on the board, as source (`.py`).
        compiled: whether it is deployed as bytecode (`.mpy`).
    """

    source: Path
    target: str
    compiled: bool


def _in_checkout(*parts: str) -> Path:
    return _PACKAGE.parent.parent.joinpath(*parts)


def boards_folder() -> Path:
    """The folder that holds one TOML file per board."""
    installed = _PACKAGE / "boards"
    return installed if installed.is_dir() else _in_checkout("boards")


def firmware_folder() -> Path:
    """The folder of boot.py, main.py and the board services."""
    installed = _PACKAGE / "device" / "firmware"
    return installed if installed.is_dir() else _in_checkout("device", "firmware")


def client_folder() -> Path:
    """The folder of the `webpubsub` package, as source."""
    checkout = _in_checkout("device", "webpubsub")
    return checkout if checkout.is_dir() else _PACKAGE.parent / "webpubsub"


def chargepoint_folder() -> Path:
    """The folder of the `chargepoint` package, as source."""
    checkout = _in_checkout("device", "chargepoint")
    return checkout if checkout.is_dir() else _PACKAGE.parent / "chargepoint"


def package_folders() -> dict[str, Path]:
    """Every package for boards and the folder of its sources, the one that others import first."""
    return {
        "webpubsub": client_folder(),
        "chargepoint": chargepoint_folder(),
        "firmware": firmware_folder(),
    }


def examples_folder() -> Path:
    """The folder of the example `app.py` programs."""
    installed = _PACKAGE / "device" / "examples"
    return installed if installed.is_dir() else _in_checkout("device", "examples")


def source_path(name: str) -> str:
    """Where a device file lies, given its path in the project, such as "device/webpubsub/url.py".

    In a checkout that path itself; otherwise the one of the installed file.
    """
    if _in_checkout(name).is_file():
        return name
    _, package, *rest = name.split("/")
    folder = package_folders().get(package)
    return str(folder.joinpath(*rest)) if folder else name


def device_files() -> list[DeviceFile]:
    """Everything that `hubtool deploy` puts on a board, in the order of writing.

    boot.py and main.py come last: until they are there, the board stays at its prompt.
    """
    listed = [
        DeviceFile(source, f"/lib/{package}/{source.name}", True)
        for package, folder in package_folders().items()
        for source in sorted(folder.glob("*.py"))
        if source.name not in _NOT_FOR_BOARDS and source.name not in _STARTERS
    ]
    for name in _STARTERS:
        listed.append(DeviceFile(firmware_folder() / name, f"/{name}", False))
    return listed

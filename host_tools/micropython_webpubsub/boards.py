"""Board files: what `boards/<id>.toml` says about a board, checked on reading."""

from __future__ import annotations

import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    model_validator,
)

from .assets import boards_folder
from .text_files import NotUtf8, read_text
from .toml_errors import explain_toml_error
from .toml_lines import line_of, lines_of
from .validation import dotted, in_words, matching, one_line

SECTOR = 4096  # bytes: what the flash chip erases at once


class BoardError(ValueError):
    """A board is unknown, or its file is wrong; the text names the remedy."""


def _size(value: object) -> object:
    """Read '4 MiB' or '128 KiB' as a number of bytes; leave numbers alone."""
    if isinstance(value, str):
        number, _, unit = value.partition(" ")
        factor = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024 * 1024}.get(unit)
        if number.isdigit() and factor:
            return int(number) * factor
    return value


Size = Annotated[StrictInt, BeforeValidator(_size), Field(ge=0)]


_Version = matching(r"\d+\.\d+(\.\d+)?", "write a version as '1.24' or '1.24.1'")
_UsbId = matching("[0-9A-F]{4}:[0-9A-F]{4}", "write a USB id as 'VVVV:PPPP', in capitals")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Firmware(_Table):
    """The MicroPython build for the board.

    Attributes:
        machine: what the build says as `sys.implementation._machine`. Before 1.25 there is no
            `_build`, and this is all by which a build can be recognised.
        manifest: what the stock build freezes: a file below `ports/esp32` of MicroPython.
    """

    board: str
    variant: str = ""
    machine: str = ""
    manifest: str = "boards/manifest.py"
    minimum_version: Annotated[str, _Version]
    tested_version: str = ""

    @property
    def minimum(self) -> tuple[int, ...]:
        """The minimum version as numbers, to compare with `sys.implementation.version`."""
        return tuple(int(part) for part in self.minimum_version.split("."))

    @property
    def build(self) -> str:
        """What the build says as `sys.implementation._build`, from 1.25 on."""
        return f"{self.board}-{self.variant}" if self.variant else self.board


class Flash(_Table):
    """Flash size and where in it things lie, all in bytes."""

    size: Size
    image_offset: Size
    baud: StrictInt = 460800


class Partition(_Table):
    """One region of the flash."""

    name: str
    offset: Size
    size: Size

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.size


class Filesystem(_Table):
    """The file system partition that holds the device code."""

    label: Literal["vfs", "ffat"] = "vfs"
    kind: Literal["lfs2", "fat"] = "lfs2"
    offset: Size
    size: Size
    block_size: Size = 4096


class Usb(_Table):
    """How the board appears on a USB bus."""

    kind: Literal["bridge", "serial-jtag", "native", "none"]
    ids: tuple[Annotated[str, _UsbId], ...] = ()


class Heap(_Table):
    """Heap figures in bytes; `sim_heap` is what a simulated board is given.

    With a `model` it is given that chip's heaps instead, where the model is built.
    """

    sim_heap: Size
    model: Literal["", "esp32"] = ""
    free_after_boot: Size = 0


class Memory(_Table):
    """How Python's heap and the ESP-IDF's share the RAM of the chip, in bytes.

    Without PSRAM the first grows into the second, where Wi-Fi, lwIP and TLS live, and gives
    nothing back. `first`, `joined` and `connected` are measured on the firmware; the others are
    what the device code is to keep.

    Attributes:
        psram: whether Python's heap has a RAM of its own; then nothing else matters.
        first: usable size of Python's heap at boot.
        joined: what Python's heap and the free IDF heap have together, Wi-Fi joined and one
            socket open.
        connected: likewise, connected over verified TLS.
        growth: what Python's heap is let grow by at the start, and never again.
        reserve: IDF heap that must be free when connected: a replay after an outage takes it.
        ballast: what is held beside the reserve, where Python's heap cannot take it, and let go
            at real shortage, so that a board can still report and reset.
        tls: IDF heap that must be free before a TLS handshake.
        block: the largest free block that it needs.
        buffer: size of each of the two buffers of a WebSocket.
    """

    psram: StrictBool = False
    first: Size = 0
    joined: Size = 0
    connected: Size = 0
    growth: Size = 0
    reserve: Size = 0
    ballast: Size = 0
    tls: Size = 0
    block: Size = 0
    buffer: Annotated[Size, Field(ge=512, le=16384)] = 2048

    @property
    def python(self) -> int:
        """Usable size of Python's heap once it has grown."""
        return self.first + self.growth

    @model_validator(mode="after")
    def _check_sum(self) -> Memory:
        """Refuse figures that cannot hold together on the chip."""
        if self.psram:
            if self.growth or self.ballast:
                raise ValueError("with psram nothing is kept back: leave growth and ballast out")
            return self
        for name in ("first", "joined", "connected", "reserve", "tls", "block"):
            if not getattr(self, name):
                raise ValueError(f"'{name}' is missing: without psram it has to be known")
        left = self.connected - self.python - self.ballast
        if left < self.reserve:
            raise ValueError(
                f"growth {self.growth:,} leaves {max(left, 0):,} bytes when connected, less than "
                f"the reserve of {self.reserve:,}: let it grow by "
                f"{max(self.growth + left - self.reserve, 0):,} at most"
            )
        left = self.joined - self.python - self.ballast
        if left < self.tls:
            raise ValueError(
                f"growth {self.growth:,} leaves {max(left, 0):,} bytes before a TLS handshake, "
                f"less than the {self.tls:,} of tls: let it grow by "
                f"{max(self.growth + left - self.tls, 0):,} at most"
            )
        if self.block > self.tls:
            raise ValueError(f"block {self.block:,} cannot be larger than tls {self.tls:,}")
        return self


class Instructions(_Table):
    """What a person has to press, as text."""

    reset: str
    download: str


class Board(_Table):
    """One board, as `boards/<id>.toml` describes it."""

    id: str
    title: str
    maker: str
    url: str = ""
    chip: str
    support: Literal["tested", "emulated", "untested"]
    network: tuple[Literal["wifi", "ethernet"], ...]
    watchdog_seconds: StrictInt = Field(ge=60)
    firmware: Firmware
    flash: Flash
    partitions: tuple[Partition, ...] = ()
    filesystem: Filesystem
    usb: Usb
    heap: Heap
    memory: Memory | None = None
    instructions: Instructions

    @model_validator(mode="after")
    def _check_layout(self) -> Board:
        """Refuse a flash layout that cannot be: the ESP-IDF erases and maps whole sectors."""
        image, end = self.flash.image_offset, self.flash.size
        if image >= end:
            raise ValueError(f"image_offset {image:#x} is outside the flash")
        vfs = self.filesystem
        last = Partition(name=vfs.label, offset=vfs.offset, size=vfs.size)
        regions = sorted((*self.partitions, last), key=lambda region: region.offset)
        for region in regions:
            for what in ("offset", "size"):
                value = getattr(region, what)
                if value % SECTOR:
                    raise ValueError(
                        f"{region.name}: {what} {value:#x} is not a multiple of {SECTOR:#x}"
                    )
            if region.end > end:
                raise ValueError(f"{region.name} ends at {region.end:#x}, behind the flash")
        for region, following in pairwise(regions):
            if region.end > following.offset:
                raise ValueError(f"{region.name} and {following.name} overlap")
        return self


def board_ids() -> list[str]:
    """The ids of all boards that have a file."""
    return sorted(path.stem for path in boards_folder().glob("*.toml"))


def load_board(board: str | Path) -> Board:
    """Read a board by its id, or a board file by its path.

    Raises:
        BoardError: no such board, not TOML, or a value that is missing or wrong.
    """
    is_path = str(board).endswith(".toml")
    path = Path(board) if is_path else boards_folder() / f"{board}.toml"
    try:
        text = read_text(path)
        loaded = Board.model_validate(tomllib.loads(text))
    except FileNotFoundError:
        known = ", ".join(board_ids())
        what = "no such board file:" if is_path else "unknown board"
        raise BoardError(f"{what} '{board}': use one of {known}, or a .toml file") from None
    except OSError as error:
        raise BoardError(f"{path}: cannot be read: {error.strerror}") from None
    except NotUtf8 as error:
        raise BoardError(f"{path}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        line, message = explain_toml_error(text, str(error))
        raise BoardError(f"{path}:{line}: not TOML: {message}") from None
    except RecursionError:
        raise BoardError(f"{path}: not TOML: tables or lists too deep in each other") from None
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        line = line_of(lines_of(text), found["loc"])
        place = f"{path}:{line}" if found["loc"] else str(path)
        raise BoardError(f"{place}: {one_line(dotted(found['loc']), in_words(found))}") from None
    if loaded.id != path.stem:
        raise BoardError(f"{path}: id '{loaded.id}' differs from the file's name: rename one")
    return loaded

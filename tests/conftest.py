"""What all tests share: the interpreters that run device code, and ports to listen on."""

from __future__ import annotations

import itertools
import os
import random
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from tests.support import built, chip_model, shared
from tests.support.interpreters import SOURCES, Interpreter
from tests.support.shared import built_once
from tests.support.tls_clock import TlsClock


@pytest.hookimpl(trylast=True)  # after tests have been deselected
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each worker begin with some of the slow tests: nobody waits for them in the end.

    Each worker gets one share of the list (xdist's worksteal), and what others leave after that.
    """
    slow = [item for item in items if item.get_closest_marker("slow")]
    rest = [item for item in items if not item.get_closest_marker("slow")]
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    ordered: list[pytest.Item] = []
    for number in range(workers):
        share = slow[number::workers]
        # As many as xdist gives this one, out of what is left.
        size = (len(items) - len(ordered)) // (workers - number) - len(share)
        ordered += share + rest[:size]
        del rest[:size]
    items[:] = ordered


@pytest.fixture(scope="session", autouse=True)
def _no_state_of_ours(
    tmp_path_factory: pytest.TempPathFactory, folder_of_run: Path
) -> Iterator[None]:
    """What `hubtool deploy` keeps on a computer is kept elsewhere; child processes included."""
    with pytest.MonkeyPatch.context() as patch:
        # One for all workers: a build is made once.
        patch.setenv("XDG_CACHE_HOME", str(folder_of_run / "cache"))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def folder_of_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what is built once for all workers."""
    return shared.folder_of_run(tmp_path_factory)


@pytest.fixture(scope="session")
def built_library(folder_of_run: Path) -> Path:
    """The device packages as `hubtool deploy` puts them on a board."""
    return built_once(folder_of_run / "lib", built.write_library)


@pytest.fixture(scope="session")
def built_interpreters(built_library: Path, folder_of_run: Path) -> list[Interpreter]:
    """MicroPython on the built files: on the model of the chip, or else on what PyPI has."""
    scripts = folder_of_run / "scripts"
    return [Interpreter(name, built_library, scripts) for name in chip_model.BUILT]


@pytest.fixture
def tls_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TlsClock:
    """A clock of their own for the certificates of MicroPython processes.

    The local service's certificates last from yesterday for a year meanwhile, much as Azure's do,
    and not from 2000 on, where the clock of a board begins.
    """
    yesterday = datetime.now(UTC) - timedelta(days=1)
    monkeypatch.setattr(trustme, "DEFAULT_NOT_BEFORE", yesterday)
    monkeypatch.setattr(trustme, "DEFAULT_EXPIRY", yesterday + timedelta(days=365))
    folder = tmp_path / "tls-clock"
    folder.mkdir()
    return TlsClock(folder)


# What is loaded on a board is bytecode. Source on MicroPython differs by how it is compiled only.
SOURCE = pytest.param("micropython", marks=pytest.mark.long)


@pytest.fixture(params=["cpython", SOURCE, *chip_model.BUILT])
def interpreter(request: pytest.FixtureRequest) -> Interpreter:
    """Each way to run device code, one after the other; source on MicroPython in the long run."""
    by_name = {each.name: each for each in SOURCES}
    if request.param in by_name:
        return by_name[request.param]
    found: list[Interpreter] = request.getfixturevalue("built_interpreters")
    return next(each for each in found if each.name == request.param)


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """`free_port()`: a TCP port for a program that cannot be given port 0.

    Below the range out of which systems choose by themselves, and in a lane of each worker's
    own: nobody takes it between this look and its use.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 20_000 + 16 * random.randrange(600) + worker % 16
    ports = itertools.cycle([*range(first, 30_000, 16), *range(20_000 + worker % 16, first, 16)])

    def find() -> int:
        for port in ports:
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
                return port
        raise AssertionError("unreachable: the ports never end")

    return find

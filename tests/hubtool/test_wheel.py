"""The built wheel, in an environment of its own outside the clone, runs the demo."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], Path]:
    """Interpreter, environment variables and folder of an installation of the wheel.

    The third-party packages are those of the test environment: a path in PYTHONPATH brings its
    packages, but not the .pth file of the editable installation.
    """
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
        timeout=120,
    )
    site = folder / "site"
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    venv.create(folder / "env", with_pip=False)
    scripts = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    third_parties = str(importlib.metadata.distribution("aiohttp").locate_file(""))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), third_parties])}
    return scripts / "python", environment, folder


def run(
    installed: tuple[Path, dict[str, str], Path], *words: str
) -> subprocess.CompletedProcess[str]:
    python, environment, folder = installed
    return subprocess.run(
        [python, *words], env=environment, cwd=folder, capture_output=True, text=True, timeout=120
    )


def test_nothing_comes_from_the_clone(installed: tuple[Path, dict[str, str], Path]) -> None:
    done = run(
        installed,
        "-c",
        "import hubtool, localhub, simboard, webpubsub\n"
        "from micropython_webpubsub.assets import boards_folder, device_files, examples_folder\n"
        "for module in (hubtool, localhub, simboard, webpubsub): print(module.__file__)\n"
        "for file in device_files(): print(file.source)\n"
        "print(boards_folder()); print(examples_folder())",
    )
    assert done.returncode == 0, done.stderr
    paths = done.stdout.split()
    assert len(paths) > 30
    for path in paths:
        assert path.startswith(str(installed[2])), path
        assert Path(path).exists()


def test_the_demo_runs(installed: tuple[Path, dict[str, str], Path]) -> None:
    done = run(installed, "-m", "hubtool", "demo", "--seconds", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Messages flowed both ways on both boards." in done.stdout

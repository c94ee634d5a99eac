"""The built wheel, in an environment of its own outside the clone, runs the demo."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], Path]:
    """Interpreter, environment variables and folder of an installation of the wheel.

    A new environment with what the wheel asks for, from the package index: as a user has it.
    """
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
        timeout=120,
    )
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    environment = {name: os.environ[name] for name in os.environ if name != "PYTHONPATH"}
    wheel = next(folder.glob("*.whl"))
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-compile", f"{wheel}[sim]"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return python, environment, folder


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


def test_the_page_of_the_service_has_all_its_files(
    installed: tuple[Path, dict[str, str], Path],
) -> None:
    done = run(
        installed,
        "-c",
        "from localhub.page.assets import load_assets\nprint(*sorted(load_assets()))",
    )
    files = ROOT.joinpath("host_tools", "localhub", "page", "static").iterdir()
    assert done.stdout.split() == sorted(file.name for file in files), done.stderr

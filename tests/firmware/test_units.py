"""The unit tests of the firmware: MicroPython, from source and as built, and CPython."""

import os
import subprocess
import sys
from pathlib import Path

import built
import chip_model
import pytest

HERE = Path(__file__).parent
DEVICE = HERE.parent.parent / "device"
EXAMPLES = DEVICE / "examples"
MICROPYTHON = os.environ.get("MICROPYTHON") or str(Path(sys.executable).with_name("micropython"))
UNITS = sorted(path.stem for path in HERE.glob("unit_*.py"))


@pytest.fixture(scope="session")
def scripts(tmp_path_factory):
    """These tests' scripts in the names of the build."""
    folder = tmp_path_factory.mktemp("scripts") / HERE.name
    built.translate_folder(HERE, folder)
    return folder


def run(command, environment, folder=HERE):
    done = subprocess.run(
        command,
        env=dict(os.environ, **environment),
        cwd=folder,
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
    # Source needs more than a board has: what is loaded for one use is compiled each time.
    command = [MICROPYTHON, "-X", "heapsize=384K", "run.py", unit, str(tmp_path)]
    run(command, {"MICROPYPATH": path})


if not chip_model.NAMES:

    @pytest.mark.parametrize("unit", UNITS)
    def test_as_built(unit, tmp_path, built_library, scripts):
        path = ":".join((str(built_library), str(EXAMPLES), str(scripts), ".frozen"))
        command = [MICROPYTHON, "-X", "heapsize=256K", "run.py", unit, str(tmp_path)]
        run(command, {"MICROPYPATH": path}, scripts)


@pytest.mark.parametrize("name", chip_model.NAMES)
@pytest.mark.parametrize("unit", UNITS)
def test_on_the_chip(unit, name, tmp_path, built_library, scripts, request):
    chip_model.expect_failure(request, unit, name)
    script = scripts / "run.py"
    environment = chip_model.environment(built_library, script, (unit,), {}, EXAMPLES)
    run(chip_model.command(name, script, unit, str(tmp_path)), environment, scripts)

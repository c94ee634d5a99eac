"""The unit tests of the core: MicroPython from source and as built for a board, and CPython."""

from pathlib import Path

import chip_model
import pytest

HERE = Path(__file__).parent
UNITS = sorted(path.stem for path in HERE.glob("unit_*.py"))


@pytest.mark.parametrize("unit", UNITS)
def test_unit(interpreter, unit, request):
    """All test_ functions of one module pass."""
    chip_model.expect_failure(request, unit, interpreter.name)
    output = interpreter.run(HERE / "run.py", unit)
    assert output.splitlines()[-1].startswith("OK "), output

"""The unit tests of the core: MicroPython from source and as built for a board, and CPython."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
UNITS = sorted(path.stem for path in HERE.glob("unit_*.py"))


@pytest.mark.parametrize("unit", UNITS)
def test_unit(interpreter, unit):
    """All test_ functions of one module pass."""
    output = interpreter.run(HERE / "run.py", unit)
    assert output.splitlines()[-1].startswith("OK "), output

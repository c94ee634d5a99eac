"""The unit tests of the core: as built for a board, on CPython, and from source (long run)."""

from pathlib import Path

import pytest

from tests.support import chip_model

UNITS = {path.stem: path for path in sorted(Path(__file__).parent.glob("unit_*.py"))}


@pytest.mark.parametrize("unit", UNITS)
def test_unit(interpreter, unit, request):
    """All test_ functions of one module pass."""
    chip_model.expect_failure(request, unit, interpreter.name)
    interpreter.run_unit(UNITS[unit])

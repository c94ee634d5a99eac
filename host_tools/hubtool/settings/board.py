"""The settings slots of a board: which one counts, and what it holds."""

from __future__ import annotations

from dataclasses import dataclass

from ..board.files import BoardFiles, sha256
from .record import FOLDER, LARGEST_RECORD, SCHEMA, SLOTS, SlotFiles, slot_paths


@dataclass(frozen=True)
class Slots:
    """The slots of a board.

    Attributes:
        in_use: the valid slot of the highest generation; None when no slot is valid.
        generation: of that slot; 0 when there is none.
        unused: the slot to write.
    """

    in_use: str | None
    generation: int
    unused: str


def read_slots(files: BoardFiles) -> Slots:
    """Find out which slot counts, by the rules of docs/settings.md.

    Raises:
        DeviceRefused: the board is gone, or refuses.
    """
    generations = {slot: _generation(files, slot) for slot in SLOTS}
    newest = max(SLOTS, key=lambda slot: generations[slot])
    if generations[newest] < 1:
        return Slots(None, 0, SLOTS[0])
    (other,) = (slot for slot in SLOTS if slot != newest)
    return Slots(newest, generations[newest], other)


def _generation(files: BoardFiles, slot: str) -> int:
    """The generation of a slot; 0 when it is not valid."""
    doing = "reading the settings in use"
    facts = files.ask("settings_slots", "describe_slot", FOLDER, slot, LARGEST_RECORD, doing=doing)
    if facts is None:
        return 0
    schema, generation, secrets_schema, secrets_generation, ca_hash = facts
    if (schema, secrets_schema) != (SCHEMA, SCHEMA) or generation != secrets_generation:
        return 0
    path = slot_paths(slot).ca
    return int(generation) if files.hashes([path])[path] == ca_hash else 0


def holds(files: BoardFiles, slot: str, content: SlotFiles) -> bool:
    """Whether a slot holds exactly this.

    Raises:
        DeviceRefused: the board is gone, or refuses.
    """
    paths = slot_paths(slot)
    wanted = {
        paths.settings: sha256(content.settings),
        paths.secrets: sha256(content.secrets),
        paths.ca: sha256(content.ca),
    }
    return files.hashes(wanted) == wanted

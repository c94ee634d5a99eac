"""The settings of a board, for programs; docs/settings.md. `records` reads and checks them.

The firmware itself does without this module: its parts take the names from the package, and a
start has `records` read the settings, which is let go then.
"""

from webpubsub.memory import once

from . import FOLDER, Settings, SettingsError  # noqa: F401 what this module offers


def load(folder=FOLDER):
    """Read the settings in use.

    Args:
        folder: where they are, str.

    Returns:
        Settings, with `notice` set when the other slot is damaged.

    Raises:
        SettingsError: there are none, or no slot is complete; the text names the remedy.
    """
    return once("firmware.records").load(folder)

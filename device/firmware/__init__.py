"""What makes a board a device on a hub; `main.py` starts it.

Here is what its modules share: the settings' values, and the errors of settings and commands.
"""

FOLDER = "/hub"  # where the settings are


class CommandError(Exception):
    """Raised by the function of a command: its text is the answer. Nothing is wrong with us."""


class SettingsError(Exception):
    """There are no settings to work with, or a part of them is damaged; the text says which."""


class Settings:
    """The settings of one board.

    Attributes:
        folder, slot, generation: where they were read, and how often they have been written.
        notice: what is wrong with the other slot, in words, or None.
        device_id, device_kind: str.
        endpoint, hub, credential ("anonymous", "negotiate" or "token"), query (dict), protocol,
        token. Only with "negotiate": negotiate (dict of `url` and maybe `header`), negotiate_key.
        uses_tls: whether the endpoint, or the negotiate server, is reached over TLS.
        endpoints_allowed: where remote care may move the board to.
        ssid: str, or None when there is no Wi-Fi to join; wifi_password: str.
        ethernet: the wiring of a LAN chip, a dict, or None. led: number of a pin, or None.
        ca_path: file of CA certificates in DER, one after another; ca_size: its length.
        telemetry_group, telemetry_interval (seconds), command_groups, command_users,
        reply_group, ntp (list of `host` or `host:port`), log_level.

    A charging point has `ocpp`, the dict of that table, and without a hub endpoint and hub are
    None; others have no such attribute.
    """

    def __repr__(self):
        # Of all the values none but this one: others are secret.
        return "<Settings of %s>" % self.device_id


def load():
    """For main.py: give this package `start` of `node`, whose name need not stay on a board."""
    global start
    from .node import start

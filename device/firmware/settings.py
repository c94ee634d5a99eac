"""Reads the settings that `hubtool configure` wrote; docs/settings.md is the contract.

Two slots, each of three files; the valid slot with the highest generation counts. This module
only reads; `slots` writes, and is loaded only by those who were told to.
"""

import binascii
import errno
import hashlib
import json
import os

from .runtime import const

FOLDER = "/hub"

_SCHEMA = const(1)
# A token is at most some 4 KiB. A longer record is not one of ours, and reading it
# could take all memory.
MAX_RECORD = 16384

_SECURE = ("https", "wss")
_OPEN = ("http", "ws")
_PROTOCOLS = (
    "json.reliable.webpubsub.azure.v1",
    "json.webpubsub.azure.v1",
    "protobuf.reliable.webpubsub.azure.v1",
    "protobuf.webpubsub.azure.v1",
)
_REMEDY = "run hubtool configure"


class SettingsError(Exception):
    """There are no settings to work with; the text names the remedy."""


class Damaged(Exception):
    """One slot cannot be used; the text says which file, and why."""


class _Empty(Exception):
    """A slot was never written, or its writing never came to an end."""


class Settings:
    """The settings of one board. `repr` shows no secret.

    Attributes:
        slot, generation: where they were read, and how often they have been written.
        notice: what is wrong with the other slot, in words, or None.
        device_id, device_kind: str.
        endpoint, hub, credential ("anonymous" or "token"), query (dict), protocol, token.
        endpoints_allowed: where remote care may move the board to.
        ssid: str, or None when there is no Wi-Fi to join; wifi_password: str.
        ethernet: the wiring of a LAN chip, a dict, or None. led: number of a pin, or None.
        ca_path: file of CA certificates in DER, one after another; ca_size: its length.
        telemetry_group, telemetry_interval (seconds), command_groups, command_users,
        reply_group, ntp (list of `host` or `host:port`), log_level.
    """

    def __init__(self, folder, slot, record, secrets):
        self.folder = folder
        self.slot = slot
        self.generation = record["generation"]
        self.notice = None
        self.ca_path = None
        self.ca_size = 0
        self.device_id = _text(record, "device", "id", None, 64)
        self.device_kind = _text(record, "device", "kind", "")
        self.led = _value(record, "device", "led", int, None, True)
        self.endpoint = _text(record, "hub", "endpoint")
        self.hub = _text(record, "hub", "name")
        self.credential = _one_of(record, "hub", "credential", ("anonymous", "token"))
        self.query = _value(record, "hub", "query", dict, {})
        self.endpoints_allowed = _texts(record, "hub", "endpoints_allowed")
        self.protocol = _one_of(record, "hub", "protocol", _PROTOCOLS)
        self.ssid = _value(record, "wifi", "ssid", str, None, True)
        self.ethernet = record.get("ethernet")
        self.log_level = _text(record, "log", "level", "info")
        self.telemetry_group = _text(record, "telemetry", "group", "")
        self.telemetry_interval = _value(record, "telemetry", "interval", (int, float), 10)
        self.command_groups = _texts(record, "commands", "groups")
        self.command_users = _texts(record, "commands", "users")
        self.reply_group = _text(record, "commands", "reply_group", "")
        self.ntp = _texts(record, "clock", "ntp")
        self.wifi_password = secrets.get("wifi_password") or ""
        self.token = secrets.get("token") or ""
        scheme, mark, _ = self.endpoint.partition("://")
        if not mark or scheme not in _SECURE + _OPEN:
            raise Damaged("hub.endpoint has no scheme")
        if self.telemetry_interval < 0.1:
            raise Damaged("telemetry.interval is below 0.1")
        if self.credential == "token" and not self.token:
            raise Damaged("the token is missing")
        if self.ethernet is not None:
            _value(record, "ethernet", "phy", str, None)

    def __repr__(self):
        return "<Settings of %s, generation %d, slot %s>" % (
            self.device_id,
            self.generation,
            self.slot,
        )

    @property
    def uses_tls(self):
        """Whether the endpoint is reached over TLS."""
        # startswith takes no tuple before MicroPython 1.25.
        return self.endpoint.partition("://")[0] in _SECURE


def load(folder=FOLDER):
    """Read the settings in use.

    Returns:
        Settings, with `notice` set when the other slot is damaged.

    Raises:
        SettingsError: there are none, or no slot is whole.
    """
    best = None
    faults = []
    for slot in "ab":
        try:
            found = read_slot(folder, slot, "settings." + slot)
        except _Empty:
            continue
        except Damaged as error:
            faults.append(str(error))
            continue
        if best is None or found.generation > best.generation:
            best = found
    if best is None and faults:
        raise SettingsError("settings damaged (%s): %s" % ("; ".join(faults), _REMEDY))
    if best is None:
        raise SettingsError("no settings on this board: " + _REMEDY)
    if faults:
        best.notice = "settings damaged (%s): using the last good copy, generation %d; %s" % (
            faults[0],
            best.generation,
            _REMEDY,
        )
    return best


def read_slot(folder, slot, name):
    """The settings of one slot, whose settings file is `name`.

    Raises:
        Damaged: one of its files is not whole, or says what cannot be.
    """
    record = read_record(folder, name)
    # The settings file is removed first and written last, so without it the slot does not
    # count; with it, the other two must be there.
    if record is None:
        raise _Empty()
    secrets_name = "secrets." + slot
    secrets = read_record(folder, secrets_name)
    if secrets is None:
        raise Damaged(secrets_name + " is missing")
    if secrets["generation"] != record["generation"]:
        raise Damaged("%s is of another generation than %s" % (secrets_name, name))
    try:
        found = Settings(folder, slot, record, secrets)
        wanted = _text(record, "tls", "ca_sha256")
    except Damaged as error:
        raise Damaged("%s: %s" % (name, error))
    ca_name = "ca." + slot
    found.ca_path = "%s/%s" % (folder, ca_name)
    total, found.ca_size = sum_of_file(found.ca_path)
    if total is None:
        raise Damaged(ca_name + " is missing")
    if total != wanted:
        raise Damaged(ca_name + " does not match its checksum")
    return found


def read_record(folder, name):
    """One record as a dict, or None when the file is not there. Raises Damaged."""
    path = "%s/%s" % (folder, name)
    try:
        # read(n) takes n bytes of heap at once, however short the file is.
        size = os.stat(path)[6]
        if size > MAX_RECORD:
            raise Damaged(name + " is too long")
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        raise Damaged("%s cannot be read (%s)" % (name, error))
    end = data.find(b"\n")
    line = data[:end]
    total = binascii.hexlify(hashlib.sha256(line).digest())
    if end < 0 or data[end + 1 :] != total + b"\n":
        raise Damaged(name + " does not match its checksum")
    try:
        record = json.loads(line)
    except ValueError:
        raise Damaged(name + " is not JSON")
    if not isinstance(record, dict) or not _is_generation(record.get("generation")):
        raise Damaged(name + " has no generation")
    if record.get("schema") != _SCHEMA:
        raise Damaged(
            "%s has schema %s and this firmware knows %d: run hubtool deploy"
            % (name, record.get("schema"), _SCHEMA)
        )
    return record


def _is_generation(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def sum_of_file(path):
    """SHA-256 in hexadecimal and the size of a file; (None, 0) when it cannot be read."""
    total = hashlib.sha256()
    size = 0
    buffer = bytearray(512)
    view = memoryview(buffer)
    try:
        with open(path, "rb") as file:
            while True:
                count = file.readinto(buffer)
                if not count:
                    break
                total.update(view[:count])
                size += count
    except OSError:
        return None, 0
    return binascii.hexlify(total.digest()).decode(), size


def _value(record, table, key, kind, default, optional=False):
    inner = record.get(table)
    value = inner.get(key) if isinstance(inner, dict) else None
    if value is None:
        if default is None and not optional:
            raise Damaged("%s.%s is missing" % (table, key))
        return default
    if not isinstance(value, kind) or isinstance(value, bool):
        raise Damaged("%s.%s is of the wrong type" % (table, key))
    return value


def _text(record, table, key, default=None, longest=None):
    value = _value(record, table, key, str, default)
    if (default is None and not value) or (longest and len(value) > longest):
        raise Damaged("%s.%s is empty or too long" % (table, key))
    return value


def _one_of(record, table, key, choices):
    value = _text(record, table, key)
    if value not in choices:
        raise Damaged("%s.%s is not one of %s" % (table, key, ", ".join(choices)))
    return value


def _texts(record, table, key):
    values = _value(record, table, key, list, [])
    for value in values:
        if not isinstance(value, str):
            raise Damaged("%s.%s is of the wrong type" % (table, key))
    return values

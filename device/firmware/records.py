"""Reads the settings that `hubtool configure` wrote; docs/settings.md is the contract.

Two slots, each of three files; the valid slot with the highest generation counts. This module
only reads; `slots` writes.

Loaded once per boot, and by remote care, with `once`: nothing here may wait, stay or be kept.

folder: where the files of a slot are, str. name: of a file in it. slot: "a" or "b".
"""

import binascii
import errno
import hashlib
import json
import os

from webpubsub.memory import once

from . import Settings, SettingsError
from .runtime import const

_SCHEMA = const(1)
# A token is at most some 4 KiB. A longer record is not one of ours, and reading it
# could take all memory.
MAX_RECORD = 16384

_PROTOCOLS = (
    "json.reliable.webpubsub.azure.v1",
    "json.webpubsub.azure.v1",
    "protobuf.reliable.webpubsub.azure.v1",
    "protobuf.webpubsub.azure.v1",
)
_CREDENTIALS = ("anonymous", "negotiate", "token")
_REMEDY = "run hubtool configure"


def fill(found, record, secrets):
    """Take the values of two records over into Settings. Raises SettingsError.

    found: the Settings. record, secrets: dicts, as they were read."""
    found.generation = record["generation"]
    found.device_id = _text(record, "device", "id", None, 64)
    found.device_kind = _text(record, "device", "kind", "")
    found.led = _value(record, "device", "led", int, None, True)
    found.ssid = _value(record, "wifi", "ssid", str, None, True)
    found.ethernet = record.get("ethernet")
    found.log_level = _text(record, "log", "level", "info")
    found.telemetry_group = _text(record, "telemetry", "group", "")
    found.telemetry_interval = _value(record, "telemetry", "interval", (int, float), 10)
    found.command_groups = _texts(record, "commands", "groups")
    found.command_users = _texts(record, "commands", "users")
    found.reply_group = _text(record, "commands", "reply_group", "")
    found.ntp = _texts(record, "clock", "ntp")
    found.wifi_password = secrets.get("wifi_password") or ""
    found.token = secrets.get("token") or ""
    if found.telemetry_interval < 0.1:
        raise SettingsError("telemetry.interval is below 0.1")
    if "hub" in record or "ocpp" not in record:
        found.endpoint = _text(record, "hub", "endpoint")
        found.hub = _text(record, "hub", "name")
        found.credential = _one_of(
            record, "hub", "credential", ("anonymous", "negotiate", "token")
        )
        found.query = _value(record, "hub", "query", dict, {})
        found.endpoints_allowed = _texts(record, "hub", "endpoints_allowed")
        found.protocol = _one_of(record, "hub", "protocol", _PROTOCOLS)
        # startswith takes no tuple before MicroPython 1.25.
        scheme, mark, _ = found.endpoint.partition("://")
        if not mark or scheme not in ("https", "wss", "http", "ws"):
            raise SettingsError("hub.endpoint has no scheme")
        found.uses_tls = scheme in ("https", "wss")
        if found.credential == "token" and not found.token:
            raise SettingsError("the token is missing")
        if found.credential == "negotiate":
            table = record["hub"].get("negotiate")
            once("firmware.negotiating").fill(found, table, secrets.get("negotiate_key"))
    if "ocpp" in record:
        once("firmware.charge_settings").fill(found, record, secrets)
    if found.ethernet is not None:
        _value(record, "ethernet", "phy", str, None)


def load(folder):
    """Read the settings in use.

    Returns:
        Settings, with `notice` set when the other slot is damaged.

    Raises:
        SettingsError: there are none, or no slot is complete; the text names the remedy.
    """
    best = None
    faults = []
    for slot in "ab":
        try:
            found = read_slot(folder, slot, "settings." + slot)
        except SettingsError as error:
            faults.append(str(error))
            continue
        if found and (best is None or found.generation > best.generation):
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
    """The Settings of one slot, whose settings file is `name`.

    None when it was never written, or its writing never came to an end.

    Raises:
        SettingsError: one of its files is damaged, or says what cannot be.
    """
    record = read_record(folder, name)
    # The settings file is removed first and written last, so without it the slot does not
    # count; with it, the other two must be there.
    if record is None:
        return None
    secrets_name = "secrets." + slot
    secrets = read_record(folder, secrets_name)
    if secrets is None:
        raise SettingsError(secrets_name + " is missing")
    if secrets["generation"] != record["generation"]:
        raise SettingsError("%s is of another generation than %s" % (secrets_name, name))
    try:
        found = Settings()
        found.folder, found.slot, found.notice = folder, slot, None
        fill(found, record, secrets)
        wanted = _text(record, "tls", "ca_sha256")
    except SettingsError as error:
        raise SettingsError("%s: %s" % (name, error))
    ca_name = "ca." + slot
    found.ca_path = "%s/%s" % (folder, ca_name)
    total, found.ca_size = sum_of_file(found.ca_path)
    if total is None:
        raise SettingsError(ca_name + " is missing")
    if total != wanted:
        raise SettingsError(ca_name + " does not match its checksum")
    return found


def read_record(folder, name):
    """One record as a dict, or None when the file is not there.

    Raises:
        SettingsError: it is damaged.
    """
    path = "%s/%s" % (folder, name)
    try:
        # read(n) takes n bytes of heap at once, however short the file is.
        size = os.stat(path)[6]
        if size > MAX_RECORD:
            raise SettingsError(name + " is too long")
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        raise SettingsError("%s cannot be read (%s)" % (name, error))
    end = data.find(b"\n")
    line = data[:end]
    total = binascii.hexlify(hashlib.sha256(line).digest())
    if end < 0 or data[end + 1 :] != total + b"\n":
        raise SettingsError(name + " does not match its checksum")
    try:
        record = json.loads(line)
    except ValueError:
        raise SettingsError(name + " is not JSON")
    if not isinstance(record, dict) or not _is_generation(record.get("generation")):
        raise SettingsError(name + " has no generation")
    if record.get("schema") != _SCHEMA:
        raise SettingsError(
            "%s has schema %s and this firmware knows %d: run hubtool deploy"
            % (name, record.get("schema"), _SCHEMA)
        )
    return record


def _is_generation(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def sum_of_file(path):
    """SHA-256 in hexadecimal and the size of a file; (None, 0) when it cannot be read.

    path: str."""
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
            raise SettingsError("%s.%s is missing" % (table, key))
        return default
    if not isinstance(value, kind) or isinstance(value, bool):
        raise SettingsError("%s.%s is of the wrong type" % (table, key))
    return value


def _text(record, table, key, default=None, longest=None):
    value = _value(record, table, key, str, default)
    if (default is None and not value) or (longest and len(value) > longest):
        raise SettingsError("%s.%s is empty or too long" % (table, key))
    return value


def _one_of(record, table, key, choices):
    value = _text(record, table, key)
    if value not in choices:
        raise SettingsError("%s.%s is not one of %s" % (table, key, ", ".join(choices)))
    return value


def _texts(record, table, key):
    values = _value(record, table, key, list, [])
    for value in values:
        if not isinstance(value, str):
            raise SettingsError("%s.%s is of the wrong type" % (table, key))
    return values

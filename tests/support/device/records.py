"""Writes settings as docs/settings.md says, and reads them, for tests: on both interpreters."""

import binascii
import hashlib
import json
import os

from webpubsub.memory import once


def digest(data):
    """SHA-256 in hexadecimal, bytes."""
    return binascii.hexlify(hashlib.sha256(data).digest())


def record(content):
    """The bytes of a file with a record: `content`, a dict, and its digest."""
    line = json.dumps(content).encode()
    return line + b"\n" + digest(line) + b"\n"


def settings(generation=1, ca=b"", **tables):
    """The settings record as a dict; `tables` replace or (None) remove tables."""
    content = {
        "schema": 1,
        "generation": generation,
        "device": {"id": "CP-7", "kind": "charging-point"},
        "hub": {
            "endpoint": "ws://127.0.0.1:7080",
            "name": "chargers",
            "credential": "anonymous",
            "query": {"id": "CP-7"},
            "protocol": "json.reliable.webpubsub.azure.v1",
        },
        "wifi": {"ssid": "depot"},
        "tls": {"ca_sha256": digest(ca).decode()},
        "telemetry": {"group": "telemetry", "interval": 1},
        "commands": {"groups": [], "users": ["ops"], "reply_group": "replies"},
        "clock": {"ntp": ["127.0.0.1:9"]},
    }
    for name, table in tables.items():
        content[name] = table
    return content


def secrets(generation=1, wifi_password="open sesame", token=""):
    """The record of the secrets as a dict."""
    return {
        "schema": 1,
        "generation": generation,
        "wifi_password": wifi_password,
        "token": token,
    }


def files(slot, content, hidden, ca=b""):
    """{file name: bytes} of one slot."""
    return {
        "settings." + slot: record(content),
        "secrets." + slot: record(hidden),
        "ca." + slot: ca,
    }


def write(folder, contents):
    """Write files: {name: bytes}."""
    for name, data in contents.items():
        with open(folder + "/" + name, "wb") as file:
            file.write(data)


def load(folder):
    """The Settings in a folder, read as a start of the firmware does."""
    return once("firmware.records").load(folder)


def fresh_folder(parent):
    """An empty folder below `parent`, which the caller throws away."""
    name = parent + "/" + binascii.hexlify(os.urandom(6)).decode()
    os.mkdir(name)
    return name

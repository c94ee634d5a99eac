# mypy: ignore-errors
"""`network` as on an ESP32: thin, because the radio itself is in the supervisor (`radio.py`)."""

import _control

try:
    from _chip import wifi as _take
except ImportError:  # not the model of the chip
    _take = None

STA_IF = 0
AP_IF = 1
AUTH_OPEN = 0
AUTH_WEP = 1
AUTH_WPA_PSK = 2
AUTH_WPA2_PSK = 3
AUTH_WPA_WPA2_PSK = 4
AUTH_WPA3_PSK = 6
STAT_IDLE = 1000
STAT_CONNECTING = 1001
STAT_GOT_IP = 1010
STAT_BEACON_TIMEOUT = 200
STAT_NO_AP_FOUND = 201
STAT_WRONG_PASSWORD = 202
STAT_ASSOC_FAIL = 203
STAT_HANDSHAKE_TIMEOUT = 204

_interfaces = {}


class WLAN:
    IF_STA = STA_IF
    IF_AP = AP_IF
    PM_NONE = 0
    PM_PERFORMANCE = 1
    PM_POWERSAVE = 2

    def __new__(cls, interface=STA_IF):
        if interface not in (STA_IF, AP_IF):
            raise ValueError("invalid WLAN interface identifier")
        if interface not in _interfaces:
            _interfaces[interface] = super().__new__(cls)
        return _interfaces[interface]

    def __init__(self, interface=STA_IF):
        self._id = interface

    def active(self, on=None):
        if on is not None and _take and self._id == STA_IF:
            _take(on)
        return _control.call("wifi.active", self._id, on)

    def connect(self, ssid=None, key=None, *, bssid=None):
        _control.call("wifi.connect", self._id, _text(ssid), _text(key))

    def disconnect(self):
        _control.call("wifi.disconnect", self._id)

    def isconnected(self):
        return _control.call("wifi.isconnected", self._id)

    def status(self, parameter=None):
        return _control.call("wifi.status", self._id, parameter)

    def scan(self):
        return [
            (network[0].encode(), bytes(network[1])) + tuple(network[2:])
            for network in _control.call("wifi.scan", self._id)
        ]

    def config(self, *names, **values):
        if (names and values) or len(names) > 1:
            raise TypeError("either pos or kw args are allowed")
        if values:
            for name, value in values.items():
                if name == "mac":
                    value = list(value)
                _control.call("wifi.configure", self._id, name, _text(value))
            return None
        value = _control.call("wifi.config", self._id, names[0])
        return bytes(value) if names[0] == "mac" else value

    def ifconfig(self, addresses=None):
        if addresses is not None and addresses != "dhcp":
            return _control.call("wifi.set_addresses", self._id, addresses)
        return tuple(_control.call("wifi.addresses", self._id))

    def ipconfig(self, name=None, **values):
        if values:
            return None
        address, mask, gateway, _ = _control.call("wifi.addresses", self._id)
        known = {"addr4": (address, mask), "gw4": gateway, "has_dhcp4": address != "0.0.0.0"}
        if name not in known:
            raise ValueError("unexpected key")
        return known[name]


def _text(value):
    return bytes(value).decode() if isinstance(value, (bytes, bytearray)) else value


def hostname(name=None):
    return _control.call("wifi.hostname", _text(name))


def country(code=None):
    return _control.call("wifi.country", _text(code))


def phy_mode(mode=None):
    return 7 if mode is None else None


def ipconfig(*names, **values):
    return None

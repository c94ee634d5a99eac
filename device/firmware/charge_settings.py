"""The table `ocpp` of the settings: a charging point; docs/settings.md is the contract.

Loaded by charging points only, with `once`: nothing here may wait, stay or be kept.
"""

from . import SettingsError
from .runtime import const

_LONGEST = {"identity": 48, "vendor": 20, "model": 20, "serial_number": 25}
_CHOICES = ("local-list", "smart-charging")
_SHORTEST_KEY = const(16)
_LONGEST_KEY = const(40)


def fill(found, record, secrets):
    """Take the values of two records over into Settings: `ocpp`, a dict without secrets.

    Args:
        found: Settings, with those of the table `hub`, if there is one.
        record, secrets: dicts, as they were read.

    Raises:
        SettingsError: something is missing, of the wrong type, or cannot be.
    """
    table = record["ocpp"]
    if not isinstance(table, dict):
        raise SettingsError("ocpp is of the wrong type")
    for name, longest in _LONGEST.items():
        value = table.get(name)
        if value is None and name == "serial_number":
            continue
        if not isinstance(value, str) or not 0 < len(value) <= longest:
            raise SettingsError("ocpp.%s is not 1 to %d characters" % (name, longest))
    if ":" in table["identity"]:
        raise SettingsError("ocpp.identity has a colon, which ends the user name of HTTP Basic")
    _whole(table, "connectors", 1, 8)
    _whole(table, "security_profile", 0, 3)
    _whole(table, "generation", 1, found.generation)
    features = table.get("features", [])
    if not isinstance(features, list) or [name for name in features if name not in _CHOICES]:
        raise SettingsError("ocpp.features are not of " + ", ".join(_CHOICES))
    secure = _is_secure(table)
    profile = table["security_profile"]
    if profile > 1 and not secure:
        raise SettingsError("ocpp.security_profile %d is over TLS, and the URL not" % profile)
    _secrets(profile, secrets)
    if "hub" not in record:
        found.hub = found.endpoint = None
        found.uses_tls = secure
        # Of a device on a hub: nobody asks for these.
        found.credential, found.telemetry_group = "anonymous", ""
    elif secure:
        found.uses_tls = True
    found.ocpp = table


def _whole(table, name, least, most):
    value = table.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise SettingsError("ocpp.%s is not %d to %d" % (name, least, most))


def _is_secure(table):
    """Whether the central system, or the hub before it, is reached over TLS."""
    name = "endpoint" if "hub" in table else "url"
    base = table.get(name)
    texts = isinstance(base, str) and isinstance(table.get("hub", ""), str)
    if not texts or (name == "endpoint" and (not table["hub"] or "url" in table)):
        raise SettingsError("ocpp has neither url nor endpoint and hub")
    scheme, mark, rest = base.partition("://")
    if not mark or not rest or scheme not in ("https", "wss", "http", "ws"):
        raise SettingsError("ocpp.%s does not begin with wss:// or ws://" % name)
    return scheme in ("https", "wss")


def _secrets(profile, secrets):
    key = secrets.get("ocpp_key")
    if key is not None:
        try:
            size = len(key_of(key))
        except (ValueError, TypeError):
            size = 0
        if not _SHORTEST_KEY <= size <= _LONGEST_KEY:
            raise SettingsError("ocpp.key is not %d to %d bytes" % (_SHORTEST_KEY, _LONGEST_KEY))
    elif profile in (1, 2):
        raise SettingsError("ocpp.key is missing for ocpp.security_profile %d" % profile)
    for name in ("ocpp_certificate", "ocpp_certificate_key"):
        if profile == 3 and not isinstance(secrets.get(name), str):
            raise SettingsError(
                "%s is missing for ocpp.security_profile 3" % name.replace("_", ".", 1)
            )


def key_of(digits):
    """The bytes that hexadecimal digits stand for. Raises ValueError or TypeError.

    digits: str."""
    return bytes([int(digits[at : at + 2], 16) for at in range(0, len(digits), 2)])

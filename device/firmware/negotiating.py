"""Boards with a key for a negotiate server in place of a token: docs/negotiate.md.

Loaded by these boards only, with `once`: nothing here may wait, stay or be kept.
"""

import webpubsub
from webpubsub.memory import once

from . import CommandError, SettingsError

_LONGEST = 1024
_CONFIGURE = ", and run hubtool configure"


def fill(found, table, key):
    """Take the values of two records over into Settings.

    Args:
        found: Settings.
        table: `hub.negotiate` of the settings record, whatever it is.
        key: `negotiate_key` of the secrets record, whatever it is.

    Raises:
        SettingsError: one of them is missing, or of the wrong type.
    """
    url = table.get("url") if isinstance(table, dict) else None
    if not isinstance(url, str) or not isinstance(key, str) or not key:
        raise SettingsError("hub.negotiate.url or its key is missing")
    found.negotiate, found.negotiate_key = table, key
    if url.startswith("https:"):
        found.uses_tls = True


def credential(settings, context):
    """The credential of a board.

    Args:
        settings: Settings.
        context: for TLS, or None.

    Raises:
        ValueError: the URL is none, or not allowed.
    """
    table, key = settings.negotiate, settings.negotiate_key
    url, header = table["url"], table.get("header")
    if "?id=" not in url and "&id=" not in url:
        url = once("webpubsub.access_url").with_query(url, (("id", settings.device_id),))
    headers = {header: key} if header else {"Authorization": "Bearer " + key}
    return webpubsub.Negotiate(url, headers, context)


def explain(error):
    """One line for a refusal that is this way's own; None for others.

    Args:
        error: an exception of connecting, with `.status`, or without.
    """
    status = getattr(error, "status", None)
    text = str(error)
    if status and "refused to negotiate" in text:
        remedy = ""
        if status in (401, 403):
            remedy = ": check device.id and hub.negotiate.key there and here" + _CONFIGURE
        elif status == 404:
            remedy = ": check hub.negotiate.url" + _CONFIGURE
        return text + remedy
    if status == 401:
        return (
            "HTTP 401: the service does not accept the token of the negotiate server: check "
            "what that server signs with, and for which hub"
        )
    return None


def change(settings, arguments, is_allowed):
    """What a command changes: (keys of the table `hub`, the new key).

    Args:
        settings: Settings in use.
        arguments: dict with `key`, and maybe with `url` and `header`.
        is_allowed: function(url, list of URLs): whether scheme, host and port are those of one.

    Raises:
        CommandError: it is not even tried.
    """
    key = arguments["key"]
    table = dict(getattr(settings, "negotiate", ()))
    allowed = list(settings.endpoints_allowed)
    if table:
        allowed.append(table["url"])
    for name in ("key", "url", "header"):
        if name in arguments:
            table[name] = _plain(name, arguments[name])
    table.pop("key")
    if "url" not in table:
        raise CommandError("the argument 'url' is missing")
    try:
        if not is_allowed(table["url"], allowed):
            raise CommandError(
                "this url is not of a server in hub.endpoints_allowed, or is not https: "
                "the list is written by hubtool configure only"
            )
    except ValueError as error:
        raise CommandError(str(error))
    return {"credential": "negotiate", "negotiate": table, "query": None}, key


def _plain(name, value):
    # What goes into the head of a request. It may be secret: no error holds it.
    good = isinstance(value, str) and 0 < len(value) <= _LONGEST
    for byte in value.encode() if good else b"":
        good = good and 32 < byte < 127
    if not good:
        raise CommandError("'%s' must be a string of ASCII characters without blanks" % name)
    return value

"""Why a connection was refused, in words that say which of the two sides to fix.

Loaded by who is refused, with `once`: nothing here may wait, stay or be kept.
"""

from webpubsub.memory import once

from .shortage import in_words

clock = once("firmware.clock")

_CONFIGURE = "run hubtool configure"
_NEW_TOKEN = "make one with hubtool token, then run hubtool configure"  # noqa: S105


def explain(error, settings):
    """One line for an error of connecting.

    Args:
        error: an exception; `.status` is the HTTP status of a refused upgrade, if it has one.
        settings: Settings that were used.
    """
    status = getattr(error, "status", None)
    if settings.credential == "negotiate":
        text = once("firmware.negotiating").explain(error)
        if text:
            return text
    if status == 401:
        if settings.credential == "token":
            return "HTTP 401: " + _why_token(settings)
        return (
            'HTTP 401: hub "%s" refuses anonymous devices: allow them on the service '
            "(anonymous connect policy), or give this board a token" % settings.hub
        )
    if status == 403:
        return "HTTP 403: the hub's connect handler turns this device away: let it in there"
    if status == 404:
        return "HTTP 404: no hub at this address: check endpoint and hub, and " + _CONFIGURE
    if status == 429:
        return "HTTP 429: the service has too many connections or requests"
    if status and status >= 500:
        return "HTTP %d: trouble on the side of the service" % status
    if status and status != 101:
        return "HTTP %d: %s" % (status, error)
    return unverified(str(error)) or str(error) or type(error).__name__


def is_about_certificates(text):
    """Whether it is the certificate that did not verify, and not the moment that was bad.

    text: of an error, str."""
    return "certificate" in text.lower() or "MBEDTLS" in text


def unverified(text):
    """One line for an error that is about certificates; None for others.

    text: of the error, str."""
    if not is_about_certificates(text):
        return None
    if not text.startswith("TLS "):
        text = "TLS: " + text
    if "the clock shows" not in text:
        text = once("webpubsub.tls").with_clock(text)
    if "the clock shows" in text:
        # By a time that is set: the wrong one, from a time server, or the service's mistake.
        text += ": check clock.ntp" + (" and the service's certificate" if clock.is_set() else "")
        return "%s, and %s" % (text, _CONFIGURE)
    return "%s: check tls.ca and the endpoint, and %s" % (text, _CONFIGURE)


def not_joined(group, error):
    """One line for a command group that could not be joined.

    group: str. error: an exception."""
    return 'did not join "%s": %s' % (group, _role(error, "joinLeaveGroup", group) or error)


def not_sent(group, error):
    """One line for a report that could not be sent to its group.

    group: str. error: an exception."""
    role = _role(error, "sendToGroup", group)
    if role:
        return 'the service forbids sending to "%s": %s' % (group, role)
    return "a report was not sent (%s)" % in_words(error)


def _role(error, role, group):
    if getattr(error, "name", None) == "Forbidden":
        return "give this device the role webpubsub.%s.%s" % (role, group)
    return None


def _why_token(settings):
    claims = once("webpubsub.expiry").claims_of(settings.token)
    if claims is None:
        return "this board's token cannot be read: " + _NEW_TOKEN
    expiry, start = claims.get("exp"), claims.get("nbf")
    if clock.is_set():
        now = clock.unix_time()
        if isinstance(expiry, (int, float)) and expiry <= now:
            return token_ends(expiry)
        if isinstance(start, (int, float)) and start > now:
            return "this board's token is not valid before " + clock.iso(start)
    audience = audience_of(settings.endpoint, settings.hub)
    if not matches(claims.get("aud"), audience):
        return "this board's token is for %s and not for %s: %s" % (
            claims.get("aud"),
            audience,
            _NEW_TOKEN,
        )
    return "the service does not accept the key of this board's token: " + _NEW_TOKEN


def token_ends(expiry):
    """One line for a token that the service will soon refuse.

    Args:
        expiry: its `exp`, Unix time.
    """
    verb = "expires" if expiry > clock.unix_time() else "expired"
    return "this board's token %s on %s: %s" % (verb, clock.iso(expiry), _NEW_TOKEN)


def audience_of(endpoint, hub):
    """The `aud` that a token for this hub must have: http(s) also where one writes ws(s).

    endpoint: str. hub: its name, str."""
    scheme, _, host = endpoint.partition("://")
    scheme = {"ws": "http", "wss": "https"}.get(scheme, scheme)
    host = host.rstrip("/")
    port = ":443" if scheme == "https" else ":80"
    if host.endswith(port):
        host = host[: -len(port)]
    return "%s://%s/client/hubs/%s" % (scheme, host, hub)


def matches(found, wanted):
    """Whether the `aud` of a token, a string or a list of them, names an audience.

    found: that `aud`. wanted: the audience, str."""
    entries = found if isinstance(found, list) else [found]
    for entry in entries:
        if isinstance(entry, str) and entry.rstrip("/").lower() == wanted.lower():
            return True
    return False

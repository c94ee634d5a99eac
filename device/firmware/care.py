"""Remote care: new token, CA certificates or endpoint, by command (docs/remote-care.md).

Nothing is taken over here: what can be refused at a glance is refused, the rest becomes a
candidate that the next start tries (see `verdict`). No text of this module holds a secret.

Loaded for one command with `once`: nothing here may wait, stay or be kept.
"""

import binascii

from webpubsub.memory import once

from . import CommandError, SettingsError

clock = once("firmware.clock")
url = once("webpubsub.url")
access_url = once("webpubsub.access_url")
refusal = once("firmware.refusal")
expiry = once("webpubsub.expiry")

# Seconds: how long a candidate may take from the start of the board until it is on the hub.
DEADLINE = 180
SHORTEST = 30
LONGEST = 900

LONGEST_TOKEN = 8192
LONGEST_CA = 16384

CHANGES = {
    "set_token": ("token",),
    "set_ca": ("ca",),
    "set_endpoint": ("endpoint", "hub", "token", "ca"),
    "set_negotiate": ("key", "url", "header", "ca"),
}


def change(settings, command, arguments, kind, id_):
    """Make a candidate of the arguments of a command, for the next start to try.

    Args:
        settings: Settings in use.
        command: a key of CHANGES.
        arguments: dict, as it came.
        kind, id_: "group" or "server", and the id of the command, for the answer.

    Returns:
        Seconds that the next start gives it.

    Raises:
        CommandError: it is not even tried; the text says why, and nothing has changed.
    """
    known = CHANGES[command]
    for name in arguments:
        if name not in known and name != "deadline":
            raise CommandError("unknown argument: use %s, deadline" % ", ".join(known))
    if arguments.get(known[0]) is None:
        raise CommandError("the argument '%s' is missing" % known[0])
    verdict = once("firmware.verdict")
    if verdict.is_busy(settings.folder):
        raise CommandError("the last change is not over: wait for its outcome")
    seconds = arguments.get("deadline", DEADLINE)
    if not isinstance(seconds, int) or not SHORTEST <= seconds <= LONGEST:
        raise CommandError("'deadline' must be from %d to %d seconds" % (SHORTEST, LONGEST))
    endpoint, hub = _place(arguments, settings)
    token = _token(arguments.get("token"), settings, endpoint, hub)
    table = {"endpoint": endpoint, "name": hub}
    key = None
    uses_tls = url.parse_url(endpoint)[0]
    if token is not None:
        table["credential"] = "token"
        table["query"] = table["negotiate"] = None
    elif command == "set_negotiate":
        changed, key = once("firmware.negotiating").change(settings, arguments, is_allowed)
        table.update(changed)
        uses_tls = uses_tls or url.parse_url(changed["negotiate"]["url"])[0]
    elif settings.credential == "negotiate":
        if command == "set_endpoint":
            raise CommandError(
                "the negotiate server says where this board connects: use set_negotiate"
            )
        uses_tls = settings.uses_tls
    ca = _certificates(arguments.get("ca"), uses_tls)
    try:
        found = verdict.slots.propose(settings, table, token, ca, key)
        verdict.announce(found, command, kind, id_, seconds)
    except (SettingsError, OSError) as error:
        verdict.slots.discard(settings.folder)
        raise CommandError(str(error))
    return seconds


def _place(arguments, settings):
    """The endpoint and the hub to go to, both allowed."""
    endpoint = arguments.get("endpoint", settings.endpoint)
    hub = arguments.get("hub", settings.hub)
    if not isinstance(endpoint, str) or not isinstance(hub, str):
        raise CommandError("'endpoint' and 'hub' must be strings")
    try:
        access_url.client_url(endpoint, hub)
    except ValueError as error:
        raise CommandError(str(error))
    if "endpoint" in arguments and not is_allowed(endpoint, settings.endpoints_allowed):
        raise CommandError(
            "this endpoint is not in hub.endpoints_allowed, or is not wss: "
            "the list is written by hubtool configure only"
        )
    return endpoint, hub


def is_allowed(endpoint, allowed):
    """Whether the settings allow to move to an endpoint.

    Scheme, host and port must be those of an entry; https stands for wss and http for ws. What
    is not encrypted is allowed to this board itself only.

    endpoint: str. allowed: list of endpoints, str.
    """
    wanted = _comparable(endpoint)
    if not wanted[0] and not access_url.is_loopback(wanted[1]):
        return False
    for entry in allowed:
        try:
            if _comparable(entry) == wanted:
                return True
        except ValueError:
            pass
    return False


def _comparable(endpoint):
    secure, host, port, _ = url.parse_url(endpoint)
    return secure, host.lower(), port


def _token(token, settings, endpoint, hub):
    if token is None:
        if settings.credential != "token":
            return None
        # The one in use must be good for the new place, too.
        token, new = settings.token, None
    else:
        if not isinstance(token, str) or len(token) > LONGEST_TOKEN:
            raise CommandError("'token' must be a string of at most %d characters" % LONGEST_TOKEN)
        token = new = token.strip()
    claims = expiry.claims_of(token)
    if claims is None:
        raise CommandError("this is no Client Access Token: three parts with two dots")
    if not refusal.matches(claims.get("aud"), refusal.audience_of(endpoint, hub)):
        raise CommandError(
            "the token is for %s and not for %s"
            % (claims.get("aud"), refusal.audience_of(endpoint, hub))
        )
    end = claims.get("exp")
    if clock.is_set() and isinstance(end, (int, float)) and end <= clock.unix_time():
        raise CommandError("the token expired on " + clock.iso(end))
    secure, host, _, _ = url.parse_url(endpoint)
    if not secure and not access_url.is_loopback(host):
        raise CommandError("a token over ws:// can be read by others: use wss://")
    return new


def _certificates(ca, uses_tls):
    if ca is None:
        return None
    if not uses_tls:
        raise CommandError("the endpoint is not reached over TLS, so a CA cannot be tried")
    tls_context = once("webpubsub.tls").tls_context

    try:
        der = b""
        for part in ca if isinstance(ca, list) else [ca]:
            der += binascii.a2b_base64(part)
            if len(der) > LONGEST_CA:
                raise CommandError("'ca' is limited to %d bytes" % LONGEST_CA)
        tls_context(der)
    except (ValueError, TypeError, OSError) as error:
        raise CommandError("'ca' must be certificates in DER, in base64 (%s)" % error)
    return der

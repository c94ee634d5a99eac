"""Client Access Tokens and client access URLs, as far as a laptop can check them.

The signature is not checked: the key stays with the service.
Source: Azure Web PubSub, "Generate client access URL".
"""

from __future__ import annotations

import ipaddress
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import jwt

from ..errors import HubtoolError
from ..secrets import Secret

# Or an IPv6 address, perhaps with a zone.
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(%[\w.-]+)?")
_WEB = {"https": "https", "wss": "https", "http": "http", "ws": "http"}
_DEFAULT_PORT = {"https": 443, "http": 80}


@dataclass(frozen=True)
class TokenFacts:
    """What a token says about itself.

    Attributes:
        audience: its `aud` claims.
        user_id: its `sub`; None when it has none.
        expires: when it ends, in UTC; None when it never does.
    """

    audience: tuple[str, ...]
    user_id: str | None
    expires: datetime | None


@dataclass(frozen=True)
class ClientAccessUrl:
    """A client access URL, taken apart.

    Attributes:
        endpoint: scheme, host and port.
        hub: its name.
        token: the Client Access Token; None in the URL of an anonymous client.
        query: the other parameters.
    """

    endpoint: str
    hub: str
    token: Secret | None
    query: dict[str, str]


def split_endpoint(endpoint: str) -> SplitResult:
    """Check an endpoint and take it apart.

    Raises:
        ValueError: no scheme, no host, or more than an endpoint; the text names the remedy.
    """
    try:
        parts = urlsplit(endpoint)
    except ValueError:
        # A bracket too many, or characters that change a name: it does not say which.
        raise ValueError("an endpoint is a scheme, a host and an optional port") from None
    # urlsplit takes the host of "localhost:7080" for a scheme.
    if parts.scheme not in _WEB or "://" not in endpoint:
        rest = endpoint.split("://")[-1]
        raise ValueError(
            f"an endpoint starts with https:// (or wss://, http://, ws://): write 'https://{rest}'"
        )
    try:
        port = parts.port
    except ValueError:
        port = -1
    if not parts.hostname or port in (-1, 0) or "@" in parts.netloc:
        raise ValueError("an endpoint is a scheme, a host and an optional port")
    if _HOST.fullmatch(parts.hostname) is None:
        raise ValueError(_no_host(parts.hostname))
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(
            f"an endpoint ends after the host: write '{parts.scheme}://{parts.netloc}', "
            "and the hub under hub.name"
        )
    return parts


def _no_host(name: str) -> str:
    try:
        encoded = name.encode("idna").decode()
    except UnicodeError:
        encoded = ""
    if _HOST.fullmatch(encoded) is None:
        return f"'{name}' is no host name: it has letters, digits, dots and hyphens"
    return f"'{name}' is not in ASCII, as boards need it: write '{encoded}'"


def is_plain(endpoint: str) -> bool:
    """Whether an endpoint is without TLS."""
    return _WEB[split_endpoint(endpoint).scheme] == "http"


def is_loopback(endpoint: str) -> bool:
    """Whether an endpoint stays on this computer."""
    host = split_endpoint(endpoint).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def audience(endpoint: str, hub: str) -> str:
    """The `aud` that a token for this hub has."""
    parts = split_endpoint(endpoint)
    scheme = _WEB[parts.scheme]
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, _DEFAULT_PORT[scheme]) else f":{parts.port}"
    return f"{scheme}://{host}{port}/client/hubs/{hub}"


def read_token(token: Secret) -> TokenFacts:
    """Read a token's claims.

    Raises:
        HubtoolError: this is no JSON Web Token.
    """
    try:
        claims = jwt.decode(token.get_secret_value(), options={"verify_signature": False})
    except jwt.InvalidTokenError:
        # The exception can quote the token.
        raise HubtoolError(
            "this is no Client Access Token (three parts in base64 with dots between): "
            "make one with `hubtool token`"
        ) from None
    named, user, expires = claims.get("aud", ()), claims.get("sub"), claims.get("exp")
    try:
        return TokenFacts(
            audience=(named,) if isinstance(named, str) else tuple(str(item) for item in named),
            user_id=None if user is None else str(user),
            expires=datetime.fromtimestamp(expires, UTC) if expires is not None else None,
        )
    except (TypeError, ValueError, OverflowError, OSError):
        raise HubtoolError(
            "this token names its audience or its expiry in no form that a service takes: "
            "make one with `hubtool token`"
        ) from None


def check_token(token: Secret, endpoint: str, hub: str, now: float | None = None) -> TokenFacts:
    """Refuse a token that the service would refuse, or that would be seen on its way.

    Args:
        token: the token.
        endpoint: where the device connects to.
        hub: the hub it connects to.
        now: Unix time to compare the expiry with.

    Raises:
        HubtoolError: not a token, expired, for another endpoint or hub, or over plain ws.
    """
    if is_plain(endpoint) and not is_loopback(endpoint):
        raise HubtoolError(
            f"a token must not travel unencrypted to {endpoint}: use https:// or wss://"
        )
    facts = read_token(token)
    if facts.expires is None:
        raise HubtoolError("the token has no expiry: make one with `hubtool token`")
    if facts.expires.timestamp() <= (time.time() if now is None else now):
        raise HubtoolError(
            f"the token expired on {date_text(facts.expires)}: make a new one with `hubtool token`"
        )
    wanted = _comparable(audience(endpoint, hub))
    if wanted not in {_comparable(item) for item in facts.audience}:
        raise HubtoolError(
            f"the token is for {' and '.join(facts.audience) or 'nothing'}, "
            f"not for {audience(endpoint, hub)}: correct endpoint and hub, or make another token"
        )
    return facts


def read_url(url: Secret) -> ClientAccessUrl:
    """Take a client access URL apart.

    Raises:
        HubtoolError: it is no client access URL; the text does not quote it.
    """
    try:
        parts = urlsplit(url.get_secret_value())
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        hub = unquote(parts.path.rpartition("/client/hubs/")[2]) if "/hubs/" in parts.path else ""
        if parts.path.rstrip("/") == "/client":
            hub = query.pop("hub", "")
        endpoint = f"{parts.scheme}://{parts.netloc}"
        split_endpoint(endpoint)
        if not hub or "/" in hub:
            raise ValueError
    except ValueError:
        raise HubtoolError(
            "this is no client access URL: it looks like "
            "wss://NAME.webpubsub.azure.com/client/hubs/HUB?access_token=..."
        ) from None
    token = query.pop("access_token", None)
    return ClientAccessUrl(endpoint, hub, None if token is None else Secret(token), query)


def date_text(moment: datetime) -> str:
    """A date as people read it, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _comparable(named: str) -> str:
    """Scheme, host and hub in one case, no trailing slash, no port that says nothing."""
    text = named.rstrip("/").lower()
    return text.replace(":443/", "/") if text.startswith("https:") else text.replace(":80/", "/")

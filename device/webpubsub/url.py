"""The few things this package needs to know about URLs (RFC 3986): needed once per connection.

Plain functions without state, for `once`. They look at bytes, for MicroPython keeps each
character of a str that is looked at alone as a name, for ever.
"""

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_UNRESERVED = _LETTERS + b"0123456789-._~"
_HUB = _LETTERS + b"0123456789_`,.[]"


def parse_url(url):
    """Split an absolute URL into (secure, host, port, target).

    secure: bool. host: str without brackets. port: int. target: path and query, at least "/".

    Raises:
        ValueError: no scheme, an unknown scheme, no host, or a port that is not a number from
            1 to 65535. The text never holds the query, where the token is.
    """
    scheme, mark, rest = url.partition("://")
    scheme = scheme.lower()
    secure = scheme in ("wss", "https")
    if not mark or not (secure or scheme in ("ws", "http")):
        raise ValueError("URL needs a scheme: wss://, ws://, https:// or http://")
    for byte in url.encode():
        if not 32 < byte < 127:
            raise ValueError("URL has a character that must be percent-encoded")
    rest = rest.partition("#")[0]
    host = rest.partition("/")[0].partition("?")[0]
    target = rest[len(host) :]
    if host.startswith("["):
        host, mark, rest = host[1:].partition("]")
        host = mark and host  # none without its second bracket
    else:
        host, mark, rest = host.partition(":")
        rest = mark + rest
    port = 443 if secure else 80
    if rest:
        port = int(rest[1:]) if rest.startswith(":") and rest[1:].isdigit() else 0
    if not host or "@" in host or not 0 < port < 65536:
        raise ValueError("URL needs a host and, if any, a port from 1 to 65535")
    if not target.startswith("/"):
        target = "/" + target
    return secure, host, port, target


def request_parts(url):
    """What a request needs of an absolute URL: (secure, host, port, Host field, target)."""
    secure, host, port, target = parse_url(url)
    return secure, host, port, host_header(secure, host, port), target


def is_loopback(host):
    """Whether `host` names this machine itself (RFC 6761, section 6.3; RFC 5735)."""
    if host.startswith("127."):
        return host.count(".") == 3 and host.replace(".", "").isdigit()  # 127.evil.com is not
    return host == "localhost" or host == "::1"


def refuse_open_line(url):
    """Raise ValueError for a URL without TLS, unless it leads to this machine itself."""
    secure, host, _, _ = parse_url(url)
    if not secure and not is_loopback(host):
        raise ValueError("a token over ws:// can be read by others: use wss://")


def host_header(secure, host, port):
    """The Host field (RFC 9110, section 7.2): default ports are not written."""
    if ":" in host:
        host = "[%s]" % host
    return host if port == (443 if secure else 80) else "%s:%d" % (host, port)


def quote(text):
    """Percent-encode everything but RFC 3986's unreserved characters."""
    out = bytearray()
    for byte in text.encode():
        if byte in _UNRESERVED:
            out.append(byte)
        else:
            out.extend(b"%%%02X" % byte)
    return str(out, "utf-8")


def with_query(url, items):
    """Append (name, value) pairs to the query of `url`."""
    mark = "&" if "?" in url else "?"
    for name, value in items:
        url += mark + quote(name) + "=" + quote(value)
        mark = "&"
    return url


def client_url(endpoint, hub):
    """The client endpoint of a hub: wss://host/client/hubs/hub.

    Raises:
        ValueError: the endpoint has no scheme or more than a host, or the hub name is not one
            (a letter, then at most 127 letters, digits and characters of ``_`,.[]``).
    """
    secure, host, port, target = parse_url(endpoint)
    if target != "/":
        raise ValueError("the endpoint must end after its host: wss://name.webpubsub.azure.com")
    name = hub.encode()
    good = 0 < len(name) <= 128 and name[0] in _LETTERS
    for byte in name:
        good = good and byte in _HUB
    if not good:
        raise ValueError("not a hub name: a letter, then letters, digits and _`,.[]")
    scheme = "wss" if secure else "ws"
    return "%s://%s/client/hubs/%s" % (scheme, host_header(secure, host, port), quote(hub))


def parts_of_access(endpoint, hub, token, allow_insecure):
    """(URL without a token, token) of a Client Access Token.

    Raises:
        ValueError: endpoint, hub or token are none, or the token would go over an open line.
    """
    if not allow_insecure:
        refuse_open_line(endpoint)
    if not token or token.count(".") != 2:
        raise ValueError("not a Client Access Token (three parts with two dots)")
    return client_url(endpoint, hub), token.strip()


def checked_url(url):
    """A client access URL as a credential gave it.

    Raises:
        ValueError: it is not a URL, or has a token for an open line.
    """
    if not isinstance(url, str):
        raise ValueError("the credential gave no URL")
    parse_url(url)
    if "access_token=" in url:
        refuse_open_line(url)
    return url


def without_token(url):
    """The URL without its access token: for recoveries, and to be kept meanwhile."""
    url, _, query = url.partition("?")
    mark = "?"
    for item in query.split("&"):
        if item and not item.startswith("access_token="):
            url += mark + item
            mark = "&"
    return url


def recovery_url(url, connection_id, token):
    """The URL that takes a session up again, from one `without_token`."""
    return with_query(
        url, (("awps_connection_id", connection_id), ("awps_reconnection_token", token))
    )

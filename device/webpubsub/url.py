"""The few things this package needs to know about URLs (RFC 3986)."""

_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}
_SECURE = ("wss", "https")


def parse_url(url):
    """Split an absolute URL into (secure, host, port, target).

    secure: bool. host: str without brackets. port: int. target: path and query, at least "/".

    Raises:
        ValueError: no scheme, an unknown scheme, no host, or a port that is not a number from
            1 to 65535. The text never holds the query, where the token is.
    """
    scheme, mark, rest = url.partition("://")
    scheme = scheme.lower()
    if not mark or scheme not in _PORTS:
        raise ValueError("URL needs a scheme: wss://, ws://, https:// or http://")
    end = len(rest)
    for character in "/?#":
        at = rest.find(character)
        if 0 <= at < end:
            end = at
    authority, target = rest[:end], rest[end:].partition("#")[0]
    port = _PORTS[scheme]
    host = authority
    if host.startswith("["):
        host, mark, tail = host[1:].partition("]")
        digits = tail[1:] if mark and tail.startswith(":") else None
        if not mark or (tail and digits is None):
            raise ValueError("URL has a broken IPv6 address")
    else:
        host, mark, digits = host.partition(":")
        digits = digits if mark else None
    if digits is not None:
        port = int(digits) if digits.isdigit() else 0
    if not host or "@" in host or not 0 < port < 65536:
        raise ValueError("URL needs a host and, if any, a port from 1 to 65535")
    for character in url:
        if character <= " " or character > "~":
            raise ValueError("URL has a character that must be percent-encoded")
    if not target.startswith("/"):
        target = "/" + target
    return scheme in _SECURE, host, port, target


def is_loopback(host):
    """Whether `host` names this machine itself (RFC 6761, section 6.3; RFC 5735)."""
    if host.startswith("127."):
        return host.count(".") == 3 and host.replace(".", "").isdigit()  # 127.evil.com is not
    return host == "localhost" or host == "::1"


def host_header(secure, host, port):
    """The Host field (RFC 9110, section 7.2): default ports are not written."""
    if ":" in host:
        host = "[%s]" % host
    return host if port == (443 if secure else 80) else "%s:%d" % (host, port)


def quote(text):
    """Percent-encode everything but RFC 3986's unreserved characters."""
    out = []
    for byte in text.encode():
        c = chr(byte)
        if byte < 128 and (c.isalpha() or c.isdigit() or c in "-._~"):
            out.append(c)
        else:
            out.append("%%%02X" % byte)
    return "".join(out)


def with_query(url, items):
    """Append (name, value) pairs to the query of `url`."""
    mark = "&" if "?" in url else "?"
    for name, value in items:
        url += mark + quote(name) + "=" + quote(value)
        mark = "&"
    return url

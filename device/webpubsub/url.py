"""The few things this package needs to know about URLs (RFC 3986): needed once per connection.

Plain functions without state, for `once`. They look at bytes, for MicroPython keeps each
character of a str that is looked at alone as a name, for ever.

Parameters of several functions: url, endpoint: str, absolute. host: str without brackets. port:
int. secure: bool, whether over TLS. Where ValueError is raised, its text holds no secret.
"""


def parse_url(url):
    """Split an absolute URL into (secure, host, port, target).

    secure: bool. host: str without brackets. port: int. target: path and query, at least "/".

    A fragment has no meaning here (RFC 6455, section 3) and is dropped, and so is the dot at the
    end of an absolute name: neither SNI (RFC 6066, section 3) nor certificates have it.

    Raises:
        ValueError: no scheme, an unknown scheme, no host or one that cannot be used as it is, or
            a port that is not a number from 1 to 65535. The text never holds user info or the
            query, where secrets are.
    """
    scheme, mark, rest = url.partition("://")
    scheme = scheme.lower()
    secure = scheme in ("wss", "https")
    if not mark or not (secure or scheme in ("ws", "http")):
        raise ValueError("URL needs a scheme: wss://, ws://, https:// or http://")
    rest = rest.partition("#")[0]
    host = rest.partition("/")[0].partition("?")[0]
    target = rest[len(host) :]
    if "@" in host:
        raise ValueError('URL has user info: use headers={"Authorization": ...}')
    for text in (host, url):
        for byte in text.encode():
            if byte > 127 and text is host:
                raise ValueError("URL has a host that is not ASCII: use its xn-- form")
            if not 32 < byte < 127:
                raise ValueError("URL has a character that must be percent-encoded")
    if "%" in host:
        raise ValueError("URL has a host with %: use a name or an address without zone id")
    if host.startswith("["):
        host, mark, rest = host[1:].partition("]")
        if not mark or ":" not in host:
            host = ""
    else:
        host, mark, rest = host.partition(":")
        rest = mark + rest
        if host.endswith("."):
            host = host[:-1]
    port = 443 if secure else 80
    if rest and rest != ":":
        port = int(rest[1:]) if rest.startswith(":") and rest[1:].isdigit() else 0
    if not host or ".." in host + "." or not 0 < port < 65536:
        raise ValueError("URL needs a host and, if any, a port from 1 to 65535")
    if not target.startswith("/"):
        target = "/" + target
    return secure, host, port, target


def request_parts(url):
    """What a request needs of an absolute URL: (secure, host, port, Host field, target)."""
    secure, host, port, target = parse_url(url)
    return secure, host, port, host_header(secure, host, port), target


def host_header(secure, host, port):
    """The Host field (RFC 9110, section 7.2): default ports are not written."""
    if ":" in host:
        host = "[%s]" % host
    return host if port == (443 if secure else 80) else "%s:%d" % (host, port)

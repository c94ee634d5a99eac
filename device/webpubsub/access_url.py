"""Client access URLs of Web PubSub: where a client goes to, with its token and its session.

Plain functions without state, for `once`. They look at bytes, for MicroPython keeps each
character of a str that is looked at alone as a name, for ever.

Parameters of several functions: url, endpoint: str, absolute. hub: its name, str. token: Client
Access Token or reconnection token, a secret. Where ValueError is raised, its text holds no secret.
"""

from .memory import once

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_UNRESERVED = _LETTERS + b"0123456789-._~"
_HUB = _LETTERS + b"0123456789_`,.[]"


def is_loopback(host):
    """Whether `host` names this machine itself (RFC 6761, section 6.3; RFC 5735)."""
    if host.startswith("127."):
        return host.count(".") == 3 and host.replace(".", "").isdigit()  # 127.evil.com is not
    return host.lower() == "localhost" or (":" in host and host.lstrip("0:") == "1")


def refuse_open_line(url):
    """Raise ValueError for a URL without TLS, unless it leads to this machine itself."""
    secure, host, _, _ = once("webpubsub.url").parse_url(url)
    if not secure and not is_loopback(host):
        raise ValueError("a token over ws:// can be read by others: use wss://")


def quote(text):
    """Percent-encode everything but RFC 3986's unreserved characters.

    text: str."""
    out = bytearray()
    for byte in text.encode():
        if byte in _UNRESERVED:
            out.append(byte)
        else:
            out.extend(b"%%%02X" % byte)
    return str(out, "utf-8")


def with_query(url, items):
    """Append (name, value) pairs to the query of `url`.

    items: those pairs, of str."""
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
    tools = once("webpubsub.url")
    secure, host, port, target = tools.parse_url(endpoint)
    if target != "/":
        raise ValueError("the endpoint must end after its host: wss://name.webpubsub.azure.com")
    name = hub.encode()
    good = 0 < len(name) <= 128 and name[0] in _LETTERS
    for byte in name:
        good = good and byte in _HUB
    if not good:
        raise ValueError("not a hub name: a letter, then letters, digits and _`,.[]")
    scheme = "wss" if secure else "ws"
    return "%s://%s/client/hubs/%s" % (scheme, tools.host_header(secure, host, port), quote(hub))


def parts_of_access(endpoint, hub, token, allow_insecure):
    """(URL without a token, token) of a Client Access Token.

    Raises:
        ValueError: endpoint, hub or token are none, or the token would go over an open line.

    allow_insecure: bool, whether a token may go over ws:// to another machine.
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
    once("webpubsub.url").parse_url(url)
    if "access_token=" in url:
        refuse_open_line(url)
    return url


def without_token(url):
    """The URL without token and fragment: for recoveries, and to be kept meanwhile."""
    url, _, query = url.partition("#")[0].partition("?")
    mark = "?"
    for item in query.split("&"):
        if item and not item.startswith("access_token="):
            url += mark + item
            mark = "&"
    return url


def recovery_url(url, connection_id, token):
    """The URL that takes a session up again, from one `without_token`.

    connection_id: str. token: the reconnection token."""
    return with_query(
        url, (("awps_connection_id", connection_id), ("awps_reconnection_token", token))
    )

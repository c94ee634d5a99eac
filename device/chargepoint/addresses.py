"""Where the central system is, and what says who we are: made for one connection.

Plain functions without state, for `once`. identity: of the charging point, str. key: bytes.
"""

from binascii import b2a_base64, unhexlify

_PLAIN = b"-._~"
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def encoded(text):
    """The text, percent-encoded for any part of a URL (RFC 3986, section 2.1).

    text: str."""
    out = ""
    for byte in text.encode():
        if byte in _PLAIN or 48 <= byte < 58 or 65 <= byte < 91 or 97 <= byte < 123:
            out += chr(byte)
        else:
            out += "%%%02X" % byte
    return out


def url_of(base, identity, hub=None, secure=False):
    """The URL to connect to (OCPP-J 1.6, section 3.1.1).

    base: str; a query stays behind the path. hub: of Azure Web PubSub, where the identity is a
    part of the query, or None. secure: whether TLS is due whatever the base says.

    Raises:
        ValueError: this is no base URL, or no identity.
    """
    if not identity:
        raise ValueError("the charging point needs an identity")
    scheme, mark, rest = base.partition("://")
    scheme = _SCHEMES.get(scheme.lower())
    if not mark or not scheme or not rest:
        raise ValueError("the URL begins with wss:// or ws://")
    if secure:
        scheme = "wss"
    rest, mark, query = rest.partition("?")
    if rest.endswith("/"):
        rest = rest[:-1]
    if hub:
        rest += "/client/hubs/%s?id=%s" % (encoded(hub), encoded(identity))
        mark = query and "&"
    else:
        rest += "/" + encoded(identity)
    return "%s://%s%s%s" % (scheme, rest, mark, query)


def basic(identity, key):
    """The Authorization field of HTTP Basic (RFC 7617), whose key may be any bytes."""
    return "Basic " + b2a_base64(identity.encode() + b":" + key).decode().strip()


def key_of(text):
    """The bytes of an AuthorizationKey (security white paper, section 3.1): 16 to 20 of them.

    text: hexadecimal digits.

    Raises:
        ValueError: it is no such key. The text does not hold it.
    """
    try:
        key = unhexlify(text)
    except ValueError:
        key = b""
    if not 16 <= len(key) <= 20:
        raise ValueError("AuthorizationKey has 32 to 40 hexadecimal digits")
    return key

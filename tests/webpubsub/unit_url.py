"""URLs as far as this package needs them (RFC 3986)."""

from checks import equal, raises
from webpubsub.access_url import is_loopback, quote, recovery_url, with_query, without_token
from webpubsub.url import host_header, parse_url


def test_urls():
    for url, expected in (
        ("ws://h", (False, "h", 80, "/")),
        ("wss://h", (True, "h", 443, "/")),
        ("http://h/", (False, "h", 80, "/")),
        ("https://h:8443/a/b?c=d", (True, "h", 8443, "/a/b?c=d")),
        ("WSS://H/Path", (True, "H", 443, "/Path")),
        ("ws://h?x=1", (False, "h", 80, "/?x=1")),
        ("ws://h#f", (False, "h", 80, "/")),
        ("ws://h/a#f", (False, "h", 80, "/a")),
        ("ws://h/a?b=c/d?e#f?g", (False, "h", 80, "/a?b=c/d?e")),
        ("ws://127.0.0.1:1/x", (False, "127.0.0.1", 1, "/x")),
        ("ws://h:65535", (False, "h", 65535, "/")),
        ("ws://[::1]", (False, "::1", 80, "/")),
        ("wss://[2001:db8::1]:99/y", (True, "2001:db8::1", 99, "/y")),
        ("ws://h/a%20b?q=%C3%BC", (False, "h", 80, "/a%20b?q=%C3%BC")),
        ("ws://h/user@host", (False, "h", 80, "/user@host")),
        ("ws://h/a:b", (False, "h", 80, "/a:b")),
        # RFC 3986, section 3.2.3: a port may be empty.
        ("ws://h:/a", (False, "h", 80, "/a")),
        ("wss://[::1]:?q", (True, "::1", 443, "/?q")),
        # The dot of an absolute name belongs to neither SNI nor certificates.
        ("wss://h.example./a", (True, "h.example", 443, "/a")),
        ("wss://h.example.:44", (True, "h.example", 44, "/")),
        ("ws://127.0.0.1./", (False, "127.0.0.1", 80, "/")),
    ):
        equal(parse_url(url), expected)


def test_urls_that_are_none():
    for url in (
        "",
        "h",
        "h/path",
        "//h",
        "ftp://h",
        "ws:/h",
        "ws://",
        "ws:///path",
        "ws://:80",
        "ws://.",
        "ws://h..",
        "ws://a..b/",
        "ws://[h]/",
        "ws://[127.0.0.1]/",
        "ws://h:0",
        "ws://h:65536",
        "ws://h:x",
        "ws://h:-1",
        "ws://h:8 0",
        "ws://u@h",
        "ws://u:p@h",
        "ws://[::1",
        "ws://[::1]x",
        "ws://[]",
        "ws://h/a b",
        "ws://h/\u00fc",
        "ws://h/\r\nEvil: 1",
        "ws://h\t",
        "ws://h/\x7f",
    ):
        raises(ValueError, parse_url, url)


def test_errors_do_not_tell_the_token():
    for url in ("h?access_token=s3cret", "ws://h:x?access_token=s3cret", "ws://h/ ?t=s3cret"):
        assert "s3cret" not in str(raises(ValueError, parse_url, url))


def test_errors_say_what_to_do():
    for url, remedy in (
        ("wss://u:s3cret@h/", "Authorization"),
        ("wss://s3cret@h:1", "Authorization"),
        ("wss://b\u00fccher.example/", "xn--"),
        ("ws://h/b\u00fccher", "percent-encoded"),
        ("ws://[fe80::1%25eth0]/", "zone"),
        ("ws://[fe80::1%eth0]:80/", "zone"),
        ("ws://ex%61mple/", "a host with %"),
    ):
        text = str(raises(ValueError, parse_url, url))
        assert remedy in text, (url, text)
        assert "s3cret" not in text, text


def test_what_a_recovery_adds_is_in_the_query():
    for url, rest in (
        ("ws://h/a", "/a?"),
        ("ws://h/a?", "/a?"),
        ("ws://h", "/?"),
        ("ws://h#f", "/?"),
        ("ws://h?b=c#f?g", "/?b=c&"),
        ("ws://h/a?b=c&access_token=t#f", "/a?b=c&"),
        ("ws://h/a#?access_token=t", "/a?"),
        ("ws://H./a?access_token=t&b", "/a?b&"),
    ):
        target = parse_url(recovery_url(without_token(url), "c 1", "t&1"))[3]
        equal(target, rest + "awps_connection_id=c%201&awps_reconnection_token=t%261")


def test_loopback():
    for host in (
        "localhost",
        "LocalHost",
        "127.0.0.1",
        "127.8.9.1",
        "::1",
        "0:0:0:0:0:0:0:1",
        "0000::0001",
    ):
        assert is_loopback(host), host
    for host in (
        "",
        "h",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "127.example.com",
        "127.",
        "1127.0.0.1",
        "128.0.0.1",
        "::2",
        "1::",
        "::10",
        "::1:1",
        "1",
        "fe80::1",
        "0.0.0.0",
    ):
        assert not is_loopback(host), host


def test_the_host_field():
    equal(host_header(True, "h", 443), "h")
    equal(host_header(False, "h", 80), "h")
    equal(host_header(True, "h", 80), "h:80")
    equal(host_header(False, "h", 443), "h:443")
    equal(host_header(False, "::1", 80), "[::1]")
    equal(host_header(False, "::1", 81), "[::1]:81")


def test_quoting():
    unreserved = "azAZ09-._~"
    equal(quote(unreserved), unreserved)
    equal(quote("a b+c/d=e&f?g#h%"), "a%20b%2Bc%2Fd%3De%26f%3Fg%23h%25")
    equal(quote("ü☃"), "%C3%BC%E2%98%83")
    equal(quote("\r\n\x00"), "%0D%0A%00")
    equal(quote(""), "")


def test_queries():
    equal(with_query("ws://h/p", ()), "ws://h/p")
    equal(with_query("ws://h/p", (("a", "1"), ("b c", "2&3"))), "ws://h/p?a=1&b%20c=2%263")
    equal(with_query("ws://h/p?x=y", (("a", ""),)), "ws://h/p?x=y&a=")

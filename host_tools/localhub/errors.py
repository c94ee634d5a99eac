"""The errors of the service.

Exception
  ConfigError                the configuration or the state file is wrong
  AuthenticationError        a caller has not proved who it is
    MissingTokenError        its request has no bearer token
    TokenError               its token is refused
    IssuerUnreachableError   its token cannot be checked now
  RoleError                  a list of roles breaks a limit, or a pattern is malformed
  LimitError                 there is as much of something as there may be
  ProtocolError              a client broke a protocol; carries the close code
  HandlerError               an event handler refused, failed or could not be asked

None of them knows HTTP: `rest` and `clients` turn them into a status.
"""

from __future__ import annotations


class ConfigError(Exception):
    """The configuration cannot be used; the text is one line and names the remedy."""


class AuthenticationError(Exception):
    """A caller has not proved who it is; the text says why and never holds a token."""


class MissingTokenError(AuthenticationError):
    """A request has no Authorization header, or one without a bearer token (RFC 6750)."""

    def __init__(self) -> None:
        super().__init__("send an Authorization header with a bearer token")


class TokenError(AuthenticationError):
    """An access token of a client or of an application server is refused."""


class IssuerUnreachableError(AuthenticationError):
    """The issuer's public keys cannot be had now, so a token can be neither taken nor refused."""


class RoleError(ValueError):
    """A list of roles breaks a limit, or holds a malformed pattern."""


class LimitError(ValueError):
    """There is as much of something as there may be; the text names the limit."""


class ProtocolError(Exception):
    """A client broke a protocol, and its connection has to end.

    Attributes:
        code: close code, RFC 6455 section 7.4.1.
        reason: close reason, at most 123 bytes of UTF-8.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class HandlerError(Exception):
    """An event handler refused, failed, or could not be asked.

    Its text is for the log: it names the handler, whose address is nothing for clients.

    Attributes:
        status: the handler's HTTP status, or None when there was no usable answer.
        client_text: what its client may know of it; no full stop.
    """

    def __init__(
        self,
        text: str,
        status: int | None = None,
        *,
        client_text: str = "the event handler failed",
    ) -> None:
        super().__init__(text)
        self.status = status
        self.client_text = client_text

"""Errors of the data plane (REST data plane, section 7)."""

from __future__ import annotations

_CODES = {
    400: "Error.BadRequest",
    401: "Error.Unauthorized",
    403: "Error.Forbidden",
    404: "Error.NotFound",
    405: "Error.MethodNotAllowed",
    408: "Error.RequestTimeout",
    409: "Error.Conflict",
    413: "Error.PayloadTooLarge",
    415: "Error.UnsupportedMediaType",
    429: "Error.TooManyRequests",
    500: "Error.InternalServerError",
    501: "Error.NotImplemented",
}


class RestError(Exception):
    """A call fails with an HTTP status.

    Args:
        status: HTTP status, 400 or above.
        message: one or two sentences for people.
        target: the parameter that is wrong, as it is written on the wire.
        headers: further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        target: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = _CODES.get(status, f"Error.{status}")
        self.target = target
        self.headers = headers or {}

    def body(self) -> dict[str, str]:
        """The JSON object of the answer; it is not wrapped in an `error`."""
        detail = {"code": self.code, "message": str(self)}
        if self.target is not None:
            detail["target"] = self.target
        return detail


class FilterError(ValueError):
    """A filter is no legal OData boolean expression; the text is the one that Azure answers."""

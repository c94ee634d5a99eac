"""The log of aiohttp's server, without tracebacks for what clients do wrong."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_exceptions import HTTPException

logger = logging.getLogger("localhub.http")

_OF_CLIENTS = (HttpProcessingError, HTTPException, ConnectionError, web.RequestPayloadError)


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Keep a record, unless it reports a malformed request: that becomes one line of info."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, _OF_CLIENTS):
        logger.info("%s: %s", record.getMessage(), type(error).__name__)
        return False
    return True


logger.addFilter(_is_our_fault)

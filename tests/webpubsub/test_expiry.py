"""Tokens that have ended: the device says so, and warns before."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from localhub import LocalHub


async def test_the_end_of_a_token(everywhere):
    @contextlib.asynccontextmanager
    async def service() -> AsyncIterator[dict[str, str]]:
        async with LocalHub() as hub:

            def token(lifetime: float) -> str:
                return hub.client_url("chargers", lifetime=lifetime).partition("=")[2]

            good = token(3600)
            yield {
                "ENDPOINT": hub.endpoint,
                "EXPIRED": token(-600),
                "SHORT": good,
                "FORGED": good[: -len("signature")] + "signature",
            }

    await everywhere("device_expiry", service)

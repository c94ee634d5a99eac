"""Microsoft's JavaScript packages, where they are installed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from .nodes import Node, Start, launch, why_not


@pytest_asyncio.fixture
async def node() -> AsyncIterator[Start]:
    """Starts scripts of `js/` by name, with upper-case keywords as environment variables."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    async with contextlib.AsyncExitStack() as stack:

        async def start(script: str, **environment: Any) -> Node:
            running = await launch(script, **environment)
            stack.push_async_callback(running.stop)
            return running

        yield start

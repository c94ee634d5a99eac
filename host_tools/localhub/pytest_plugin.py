"""A pytest fixture: `localhub` gives every test a running service of its own.

    async def test_device(localhub):
        url = localhub.client_url("chargers", user_id="cp-7")

Put `@pytest.mark.localhub(config)` on a test for a configuration other than the default one,
which lets anonymous clients into the hub `chargers`. Needs pytest-asyncio.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .service import LocalHub

# Nothing of the service is imported before a test asks for it.
DEFAULT_CONFIG: dict[str, Any] = {
    "hubs": [{"name": "chargers", "anonymous_connect_policy": "allow"}]
}


def pytest_configure(config: pytest.Config) -> None:
    """Announce the marker, so that --strict-markers accepts it."""
    config.addinivalue_line(
        "markers", "localhub(config): configuration of the service that `localhub` starts"
    )


if find_spec("pytest_asyncio") is None:

    @pytest.fixture(name="localhub")
    def localhub_is_missing() -> None:
        """Says what is missing."""
        from micropython_webpubsub.installing import install_package

        remedy = install_package("pytest-asyncio")
        pytest.fail(f"the fixture 'localhub' needs pytest-asyncio: {remedy}", pytrace=False)

else:
    import pytest_asyncio

    @pytest_asyncio.fixture(name="localhub")
    async def running_localhub(request: pytest.FixtureRequest) -> AsyncIterator[LocalHub]:
        """A running LocalHub on a free port, stopped after the test."""
        from .service import LocalHub

        marker = request.node.get_closest_marker("localhub")
        async with LocalHub(marker.args[0] if marker else DEFAULT_CONFIG) as hub:
            yield hub

"""Makes docs/page-light.png, page-dark.png and page-phone.png: the page of the local service.

Needs a Chromium, as the tests of the page do. It takes two minutes: that is how long the plot is.
"""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

from localhub import LocalHub
from playwright.async_api import Browser, Page, async_playwright
from webpubsub import AckError, WebPubSubClient

HERE = Path(__file__).parent
SECONDS = 125
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
ROLES = ["webpubsub.joinLeaveGroup.site-7", "webpubsub.sendToGroup.telemetry"]
CONFIG = {"service": {"port": 7080, "faults": True}, "hubs": [{"name": "chargers"}]}
PICTURES = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 1000}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 1000}},
    "phone": {
        "color_scheme": "light",
        "viewport": {"width": 360, "height": 780},
        "device_scale_factor": 1.5,
    },
}


async def main() -> None:
    """Let four charging points work, and look at them."""
    if CHROMIUM is None:
        sys.exit("no Chromium: apt-get install chromium, or name one in the variable CHROMIUM")
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(LocalHub(CONFIG))
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        work = [asyncio.create_task(site(hub))]
        for number in range(1, 5):
            client = WebPubSubClient(
                hub.client_url("chargers", f"cp-{number}", ROLES, ["site-7", f"bay-{number}"])
            )
            await stack.enter_async_context(client)
            work.append(asyncio.create_task(charge(client, number)))
        pages = {name: await open_page(browser, hub, name) for name in PICTURES}
        await asyncio.sleep(SECONDS)
        for name, page in pages.items():
            await picture(page, name)
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await browser.close()


async def open_page(browser: Browser, hub: LocalHub, name: str) -> Page:
    context = await browser.new_context(**PICTURES[name])
    page = await context.new_page()
    await page.goto(hub.page_url)
    return page


async def site(hub: LocalHub) -> None:
    """What the application server sends."""
    while True:
        await asyncio.sleep(3.1)
        hub.control.send("chargers", {"limit": 16}, group="site-7")
        hub.control.send("chargers", "unlock", user_id="cp-2")


async def charge(client: WebPubSubClient, number: int) -> None:
    """What a charging point sends: more in the middle of the two minutes than at their ends."""
    begun = time.monotonic()
    count = 0
    while True:
        count += 1
        await client.send_to_group("telemetry", {"kw": 7.2 + number, "connector": 1})
        if count % 40 == 10 * number:
            try:
                await client.send_to_group("invoices", {"kwh": 12.5})
            except AckError:
                pass  # it has no such role, and the page says so
        passed = time.monotonic() - begun
        rate = 1 + 3 * math.sin(math.pi * min(passed, SECONDS) / SECONDS) ** 2
        await asyncio.sleep(1 / rate + 0.2 * math.sin(passed / number))


async def picture(page: Page, name: str) -> None:
    """Publish something, so that its answer is in the picture, then take it."""
    if name != "phone":
        await page.select_option("#publish-to", "group")
        await page.fill("#publish-target", "site-7")
        await page.fill("#publish-data", '{"limit": 16}')
        await page.click("#publish-form .primary")
        await page.locator("#publish-result:not(:empty)").wait_for()
        await page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        await page.wait_for_timeout(300)
    await page.screenshot(path=HERE / f"page-{name}.png", full_page=name != "phone")


if __name__ == "__main__":
    asyncio.run(main())

"""The page in headless Chromium, with clients of Microsoft's SDKs on the other side."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from azure.messaging.webpubsubclient.aio import WebPubSubClient, WebPubSubClientCredential
from azure.messaging.webpubsubclient.models import WebPubSubDataType
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from localhub import LocalHub
from playwright.async_api import Browser, Page, async_playwright, expect
from websockets.asyncio.client import connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
WITHOUT = "no Chromium here: apt-get install chromium, or name one in the variable CHROMIUM"
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT),
]
ROLES = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup.telemetry"]
# Chromium's own sandbox does not work for root, who runs tests in containers.
ARGUMENTS = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
PATIENCE = 20

expect.set_options(timeout=PATIENCE * 1000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """A browser for all tests of this file."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def hub(request: pytest.FixtureRequest) -> AsyncIterator[LocalHub]:
    """A service, of the configuration that a test is parametrised with."""
    config = {"hubs": [{"name": "chargers"}], **getattr(request, "param", {})}
    async with LocalHub(config) as hub:
        yield hub


class Watched:
    """Everything that a page said and asked for."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.frames: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", self._websocket)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _websocket(self, websocket: Any) -> None:
        self.requests.append(websocket.url.replace("ws://", "http://", 1))
        websocket.on("framereceived", lambda frame: self.frames.append(str(frame)))


@asynccontextmanager
async def opened(browser: Browser, hub: LocalHub, **options: Any) -> AsyncIterator[Page]:
    """The page, live. Afterwards: nothing complained, and no request left the origin."""
    options.setdefault("viewport", {"width": 1280, "height": 900})
    async with await browser.new_context(**options) as context:
        page = await context.new_page()
        page.watched = watched = Watched(page)
        await page.goto(hub.page_url)
        await expect(page.locator("#status")).to_have_text("Live")
        # The secret is in a cookie, and no longer in the address.
        assert page.url == hub.endpoint + "/"
        yield page
        assert watched.complaints == []
        assert len(watched.requests) > 5
        assert {url for url in watched.requests if not url.startswith(hub.endpoint + "/")} == set()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, hub: LocalHub) -> AsyncIterator[Page]:
    """The page of the test's service, on a desk."""
    async with opened(browser, hub) as page:
        yield page


def url_for(hub: LocalHub, user_id: str = "cp-7", **claims: Any) -> str:
    claims = {"roles": ROLES, "groups": ["site-7", "telemetry"], **claims}
    return hub.client_url("chargers", user_id=user_id, **claims)


@asynccontextmanager
async def sdk_device(hub: LocalHub, *who: str, **claims: Any) -> AsyncIterator[WebPubSubClient]:
    """A client of Microsoft's SDK."""

    async def get_url() -> str:
        return url_for(hub, *who, **claims)

    async with WebPubSubClient(WebPubSubClientCredential(get_url)) as client:
        yield client


class Device:
    """A client that is quicker to come and go than those of the SDK."""

    def __init__(self, url: str, websocket: Any) -> None:
        self.url = url
        self.send = websocket.send
        self._websocket = websocket

    async def next(self, kind: str = "message") -> dict[str, Any]:
        """The next frame of a type."""
        while True:
            frame = json.loads(await asyncio.wait_for(self._websocket.recv(), PATIENCE))
            if frame["type"] == kind:
                return frame


@asynccontextmanager
async def device(hub: LocalHub, *who: str, **claims: Any) -> AsyncIterator[Device]:
    url = url_for(hub, *who, **claims)
    async with connect(
        url, subprotocols=["json.webpubsub.azure.v1"], proxy=None, max_queue=None
    ) as websocket:
        yield Device(url, websocket)


def server(hub: LocalHub) -> WebPubSubServiceClient:
    return WebPubSubServiceClient.from_connection_string(hub.connection_string, "chargers")


def row(page: Page, text: str) -> Any:
    """The newest message with this text."""
    return page.locator("#messages-rows .row", has_text=text).first


# -- looking -------------------------------------------------------------------------------


async def test_a_newcomer_is_told_what_to_do(hub, page):
    await expect(page.locator("#connections-empty")).to_contain_text("Nobody is connected yet.")
    await expect(page.locator("#messages-empty")).to_be_visible()
    steps = page.locator("#connect-steps")
    address = hub.endpoint.replace("http", "ws", 1) + "/client/hubs/chargers"
    await expect(steps).to_contain_text(address)
    await expect(steps).to_contain_text("hubtool token chargers --user-id cp-7")
    # What a newcomer needs comes first.
    panels = await page.locator(".side > section").evaluate_all("list => list.map(one => one.id)")
    assert panels == ["connect", "publish", "faults"]
    await expect(page.locator("#faults")).to_contain_text("faults = true under [service]")
    assert await page.locator("#faults button").count() == 0


@pytest.mark.parametrize(
    ("hub", "said"),
    [
        ({"hubs": [{"name": "open", "anonymous_connect_policy": "allow"}]}, "No token is needed"),
        ({"service": {"disable_local_auth": True}}, "hubtool token chargers --entra --endpoint"),
    ],
    indirect=["hub"],
)
async def test_the_steps_fit_the_configuration(hub, page, said):
    await expect(page.locator("#connect-steps")).to_contain_text(said)


async def test_connections_appear_and_go(hub, page):
    rows = page.locator("#connections-rows tr")
    async with sdk_device(hub), sdk_device(hub, "cp-8", groups=["site-8"], roles=[]):
        await expect(rows).to_have_count(2)
        newest, first = rows.nth(0), rows.nth(1)
        await expect(newest).to_contain_text("cp-8")
        for text in ("cp-7", "chargers", "json.reliable", "site-7", "sendToGroup.telemetry"):
            await expect(first).to_contain_text(text)
        await expect(page.locator("#figure-connections")).to_have_text("2")
        await page.fill("#connections-filter", "SITE-8")
        await expect(rows).to_have_count(1)
        await expect(page.locator("#connections-count")).to_have_text("1 of 2")
        await page.fill("#connections-filter", "nobody like that")
        await expect(page.locator("#connections-empty")).to_contain_text("matches the filter")
        await page.fill("#connections-filter", "")
    await expect(rows).to_have_count(0)
    await expect(page.locator("#connections-empty")).to_contain_text("Nobody is connected yet.")


async def test_messages_of_the_sdks_show_up_as_they_are(hub, page):
    evil = "<img src=x onerror='window.struck=1'><b>bold</b>"
    async with sdk_device(hub, evil) as client:
        await client.send_to_group("telemetry", {"kw": 7.5}, WebPubSubDataType.JSON)
        await expect(row(page, "7.5")).to_contain_text("telemetry")
        await asyncio.to_thread(server(hub).send_to_all, evil, content_type="text/plain")
        newest = row(page, "onerror")
        await expect(newest.locator(".text")).to_have_text(evil)
        await newest.click()
        await expect(page.locator(".message-text pre")).to_have_text(evil)
        await expect(page.locator("#connections-rows .link")).to_have_text(evil)
        await page.locator("#connections-rows .link").click()
        await expect(page.locator("#details-facts")).to_contain_text(evil)
        assert await page.locator("main img, main b, dialog img").count() == 0
        assert await page.evaluate("window.struck") is None


async def test_pause_filter_and_clear(hub, page):
    rows = page.locator("#messages-rows .row")
    async with device(hub):
        for word in ("alpha", "beta"):
            hub.control.send("chargers", word)
            await expect(row(page, word)).to_be_visible()
        await page.fill("#messages-filter", "server BETA")
        await expect(rows).to_have_count(1)
        await page.click("#messages-pause")
        hub.control.send("chargers", "beta 2")
        await expect(page.locator("#messages-newer")).to_have_text("1 newer message")
        await expect(rows).to_have_count(1)
        await page.click("#messages-pause")
        await expect(rows).to_have_count(2)
        await page.click("#messages-clear")
        await expect(rows).to_have_count(0)
        await expect(page.locator("#messages-empty")).to_be_visible()


async def test_no_token_reaches_the_page(hub, page):
    async with device(hub) as client:
        await asyncio.to_thread(server(hub).send_to_all, {"url": client.url})
        await expect(row(page, "access_token")).to_be_visible()
        await row(page, "access_token").click()
        shown = await page.content() + "".join(page.watched.frames)
        assert "access_token=…" in shown or "access_token=\\u2026" in shown
        token = client.url.partition("access_token=")[2]
        for secret in (token, token.split(".")[1], "eyJ", "AccessKey=", "reconnectionToken"):
            assert secret not in shown


# -- doing ---------------------------------------------------------------------------------


async def test_publish_in_every_way(hub, page):
    result = page.locator("#publish-result")

    async def publish(to: str, target: str | None, kind: str, data: str) -> None:
        await page.select_option("#publish-to", to)
        if target is not None:
            await page.fill("#publish-target", target)
        await page.check(f"input[name=data_type][value={kind}]")
        await page.fill("#publish-data", data)
        await page.click("#publish-form .primary")

    async with device(hub) as client:
        await expect(page.locator("#connections-rows tr")).to_have_count(1)
        await publish("all", None, "text", "hello")
        assert (await client.next())["data"] == "hello"
        await expect(result).to_have_text("Sent 5 bytes of text to everybody: 1 connection.")
        await publish("group", "site-7", "json", '{"limit": 16}')
        message = await client.next()
        assert (message["group"], message["data"]) == ("site-7", {"limit": 16})
        await publish("user", "cp-7", "binary", "01 ff")
        assert base64.b64decode((await client.next())["data"]) == b"\x01\xff"
        await page.locator("#connections-rows .link").click()
        await page.click("#details-send")
        await page.check("input[name=data_type][value=text]")
        await page.fill("#publish-data", "only you")
        await page.press("#publish-data", "Control+Enter")
        assert (await client.next())["data"] == "only you"
        # What is wrong is said, with the remedy, and nothing is lost.
        await page.check("input[name=data_type][value=json]")
        page.watched.complaints.clear()
        await page.click("#publish-form .primary")
        await expect(result).to_contain_text("That is not JSON: write")
        await expect(page.locator("#publish-data")).to_have_value("only you")
        # Chromium reports every 4xx on the console.
        (complaint,) = page.watched.complaints
        assert "400" in complaint
        page.watched.complaints.clear()


async def test_disconnect_with_a_reason(hub, page):
    async with device(hub) as client:
        await page.locator("#connections-rows tr").get_by_text("Disconnect").click()
        await page.fill("#details-reason", "maintenance")
        await page.keyboard.press("Enter")
        result = page.locator("#details-result")
        await expect(result).to_contain_text("of user cp-7. Its client may come back.")
        assert (await client.next("system"))["event"] == "connected"
        assert (await client.next("system"))["message"] == "maintenance"
        await expect(page.locator("#details .danger")).to_be_disabled()
        await page.keyboard.press("Escape")
        await expect(page.locator("#details")).to_be_hidden()
        await expect(row(page, "disconnected")).to_contain_text("maintenance")


@pytest.mark.parametrize("hub", [{"service": {"faults": True}}], indirect=True)
async def test_faults(hub, page):
    panel = page.locator("#faults")
    result = panel.locator(".result")
    async with device(hub):
        await panel.locator("select").first.select_option("delay")
        await panel.locator("[name=seconds]").fill("0.2")
        await panel.get_by_text("For whom").click()
        await panel.locator("[name=user_id]").fill("cp-7")
        await panel.get_by_role("button", name="Start").click()
        await expect(result).to_have_text("Started: Delay everything.")
        await expect(panel.locator(".fault-list li")).to_contain_text("struck 1 time")
        (active,) = hub.faults.active
        assert (active.fault.kind, active.fault.seconds) == ("delay", 0.2)
        await panel.get_by_role("button", name="End: Delay everything").click()
        await expect(panel).to_contain_text("Nothing goes wrong at the moment.")
        assert hub.faults.active == []
        kinds = ("stop_reading", "refuse_upgrades", "throttle", "drop_acks", "delay_acks")
        for number, kind in enumerate(kinds, 1):
            await panel.locator("select").first.select_option(kind)
            await panel.get_by_role("button", name="Start").click()
            await expect(result).to_contain_text("Started")
            # "Started" may still be that of the one before.
            await expect(panel.locator(".fault-list li")).to_have_count(number)
        assert len(hub.faults.active) == 5
        await panel.get_by_role("button", name="End all").click()
        await expect(result).to_have_text("All is well again.")
        assert hub.faults.active == []
        await panel.locator("select").first.select_option("close")
        await panel.locator("[name=code]").fill("4001")
        await panel.get_by_role("button", name="Do it once").click()
        await expect(result).to_have_text("Close connections: it struck 1 connection.")
        await panel.locator("[name=code]").fill("9")
        await panel.get_by_role("button", name="Do it once").click()
        await expect(result).to_contain_text("a Close frame carries 1000 to 1003")
    page.watched.complaints.clear()  # Chromium reports every 4xx on the console


async def test_without_the_secret_it_says_what_to_do(browser, hub):
    async with await browser.new_context() as context:
        page = await context.new_page()
        answer = await page.goto(hub.endpoint + "/")
        assert answer.status == 403
        assert "the address that the service printed" in await page.content()


async def test_the_page_comes_back_with_the_service(browser, tmp_path):
    state_file = str(tmp_path / "state.json")
    async with LocalHub({"service": {"state_file": state_file}}) as first:
        port = int(first.endpoint.rpartition(":")[2])
        async with await browser.new_context() as context:
            page = await context.new_page()
            await page.goto(first.page_url)
            await expect(page.locator("#status")).to_have_text("Live")
            await first.stop()
            await expect(page.locator("#status")).to_contain_text("Next try in")
            config = {"service": {"port": port, "state_file": state_file}}
            async with LocalHub(config) as again:
                await expect(page.locator("#status")).to_have_text("Live")
                async with device(again):
                    await expect(page.locator("#connections-rows tr")).to_have_count(1)


# -- keyboard, sight, floods ---------------------------------------------------------------


async def test_everything_by_keyboard(hub, page):
    keyboard = page.keyboard

    async def focused() -> str:
        return await page.evaluate("document.activeElement.id")

    await keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    await keyboard.press("?")
    await expect(page.locator("#help")).to_be_visible()
    await expect(page.locator("#help-keys kbd")).to_have_count(12)
    await keyboard.press("Escape")
    await expect(page.locator("#help")).to_be_hidden()
    for key, id_ in (("c", "connections-filter"), ("m", "messages-filter"), ("p", "publish-data")):
        await keyboard.press(key)
        assert await focused() == id_
        await keyboard.type("kx?")  # in a field these are letters
        assert await page.input_value(f"#{id_}") == "kx?"
        await page.fill(f"#{id_}", "")
        await page.evaluate("document.activeElement.blur()")
    await keyboard.press("k")
    await expect(page.locator("#messages-pause")).to_have_attribute("aria-pressed", "true")
    await keyboard.press("k")
    hub.control.send("chargers", "one")
    hub.control.send("chargers", "two")
    await expect(page.locator("#messages-rows .row")).to_have_count(2)
    await page.focus("#messages-clear")
    await keyboard.press("Tab")
    await keyboard.press("ArrowDown")
    await keyboard.press("Enter")
    await expect(page.locator(".message-text pre")).to_have_text("one")
    await keyboard.press("Enter")
    await expect(page.locator(".message-text")).to_have_count(0)
    await page.evaluate("document.activeElement.blur()")
    await keyboard.press("x")
    await expect(page.locator("#messages-rows .row")).to_have_count(0)
    # Single keys can be switched off, and stay off.
    await page.click("#help-open")
    await page.uncheck("#shortcuts-on")
    await keyboard.press("Escape")
    await page.reload()
    await expect(page.locator("#status")).to_have_text("Live")
    await keyboard.press("?")
    await expect(page.locator("#help")).to_be_hidden()


async def test_every_control_is_reached_with_tab_and_shows_it(hub, page):
    async with device(hub):
        await expect(page.locator("#connections-rows tr")).to_have_count(1)
        wanted = await page.evaluate(
            """() => [...document.querySelectorAll("main button, main input, main select, "
              + "main textarea, header button")].filter((one) => one.checkVisibility()
              && !one.disabled && one.tabIndex >= 0
              && (one.type !== "radio" || one.checked)).length"""
        )
        seen, faint = set(), []
        for _ in range(3 * wanted):
            await page.keyboard.press("Tab")
            mark = await page.evaluate(
                """() => {
                  const one = document.activeElement;
                  one.dataset.mark ??= String(Math.random());
                  const style = getComputedStyle(one);
                  const seen = style.outlineStyle !== "none" && parseInt(style.outlineWidth) > 0;
                  return one.matches("main *, header *")
                    ? [one.dataset.mark, seen, one.outerHTML] : null;
                }"""
            )
            if mark is not None:
                seen.add(mark[0])
                if not mark[1]:
                    faint.append(mark[2])
        assert faint == []
        assert len(seen) >= wanted


async def theme_of(page: Page) -> str:
    colour = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    return "dark" if sum(map(int, colour[4:-1].split(", "))) < 200 else "light"


async def test_dark_and_light(browser, hub):
    async with opened(browser, hub, color_scheme="dark") as page:
        assert await theme_of(page) == "dark"
        await page.keyboard.press("t")
        assert await theme_of(page) == "light"
        await page.reload()
        assert await theme_of(page) == "light"
        await page.click("#theme")
        assert await theme_of(page) == "dark"
        await page.click("#theme")
        await page.emulate_media(color_scheme="light")
        assert await theme_of(page) == "light"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
@pytest.mark.parametrize("hub", [{"service": {"faults": True}}], indirect=True)
async def test_accessible_on_a_desk_and_on_a_phone(browser, hub, scheme, width):
    size = {"width": width, "height": 800}
    async with opened(browser, hub, color_scheme=scheme, viewport=size) as page:
        long = "w" * 100
        async with device(hub, "cp-7" + long, groups=[long, "a", "b", "c"]) as client:
            event = {"type": "event", "event": "nobody-wants-it", "dataType": "text", "data": "x"}
            await client.send(json.dumps(event))
            await expect(row(page, "failed")).to_be_visible()
            await asyncio.to_thread(server(hub).send_to_all, {"long": long * 3})
            await expect(row(page, "long")).to_be_visible()
            hub.faults.drop_acks()
            await expect(page.locator(".fault-list li")).to_have_count(1)
            await row(page, "long").click()
            await accessible(page, width)
            for opener, dialog in (
                ("#help-open", "#help"),
                ("#connections-rows .link", "#details"),
            ):
                await page.locator(opener).click()
                await accessible(page, width, dialog)
                await page.keyboard.press("Escape")


async def accessible(page: Page, width: int, part: str | None = None) -> None:
    """The rules of axe-core hold, and nothing is wider than the window."""
    widths = "[document.documentElement.scrollWidth, document.body.scrollWidth]"
    assert max(await page.evaluate(widths)) <= width, part
    found = await Axe().run(page, context=part)
    assert found.violations_count == 0, found.generate_report()


async def test_a_thousand_messages_a_second(hub, page):
    async with device(hub):
        await expect(page.locator("#connections-rows tr")).to_have_count(1)
        await page.evaluate(
            """() => {
              window.shifts = 0;
              new PerformanceObserver((list) => {
                for (const entry of list.getEntries()) {
                  window.shifts += entry.value;
                }
              }).observe({ type: "layout-shift", buffered: false });
            }"""
        )
        for number in range(2000):
            hub.control.send("chargers", {"number": number}, group="nobody")
            if number % 50 == 0:
                await asyncio.sleep(0.05)
        # It still answers, and holds no more than it shows.
        await page.keyboard.press("?")
        await expect(page.locator("#help")).to_be_visible()
        assert await page.locator("#messages-rows li").count() <= 200
        assert await page.evaluate("window.shifts") < 0.01
        await expect(page.locator("#messages-count")).to_contain_text("2,00")


async def test_nothing_moves_for_who_wants_no_motion(browser, hub):
    async with opened(browser, hub, reduced_motion="reduce") as page:
        durations = await page.evaluate(
            """[...document.querySelectorAll("*")].map((one) => getComputedStyle(one))
              .filter((style) => style.transitionDuration !== "0s"
                || style.animationName !== "none").length"""
        )
        assert durations == 0

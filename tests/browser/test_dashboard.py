"""The dashboard in a real browser: it fits, it obeys its own policy, and it keeps itself up to date
without disturbing whoever is typing.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import uvicorn

pytest.importorskip("selenium")

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from hub import identity
from hub.api.app import create_api
from hub.api.stream import Stream
from hub.web import create_web
from tests.hub.web.seed import Seeded, fill, open_seeded

pytestmark = pytest.mark.browser
CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--window-size=1280,900",
)  # fmt: skip
WIDTHS = (380, 1280)


class Running:
    """A filled hub on a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.seeded: Seeded = fill(open_seeded(folder))
        self.stream = Stream()
        self.seeded.hub.announce = self.stream.publish
        app = create_api(self.seeded.hub, self.stream)
        app.include_router(create_web(self.seeded.hub))
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self.server = uvicorn.Server(
            uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off")
        )
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        self._wait_for(port)

    def _wait_for(self, port: int) -> None:
        for _ in range(200):
            with closing(socket.socket()) as probe:
                probe.settimeout(0.1)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            self.thread.join(0.05)
        raise AssertionError("the hub does not answer")

    def stop(self) -> None:
        self.stream.close()
        self.server.should_exit = True
        self.thread.join(10)
        self.seeded.hub.database.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    made = Running(tmp_path_factory.mktemp("hub"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if not CHROMIUM.exists() or not DRIVER.exists():
        pytest.skip("Chromium and its driver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture
def signed_in(chrome: Any, running: Running) -> Any:
    """The browser, signed in as Lee by the link and its button."""
    chrome.delete_all_cookies()
    chrome.get(identity.sign_in_link(running.seeded.hub, running.address, "lee"))
    chrome.find_element(By.TAG_NAME, "button").click()
    until(chrome, lambda: chrome.current_url == f"{running.address}/")
    return chrome


def until(chrome: Any, fact: Any, seconds: float = 15) -> None:
    """Waits for a fact; an element that the page replaces while it is read is read again."""
    wait = WebDriverWait(chrome, seconds, 0.05, [StaleElementReferenceException])
    wait.until(lambda _: fact())


def text_of(chrome: Any, selector: str) -> str:
    return str(chrome.find_element(By.CSS_SELECTOR, selector).text)


def width(chrome: Any, pixels: int) -> None:
    chrome.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )


@pytest.mark.parametrize("pixels", WIDTHS)
def test_pages_fit_the_window_and_obey_their_policy(
    signed_in: Any, running: Running, pixels: int
) -> None:
    """Nothing scrolls sideways, no text leaves its box, and the console stays silent."""
    secret, _ = running.seeded.invitation("late", "documents")
    width(signed_in, pixels)
    signed_in.get_log("browser")
    paths = ["/", "/tasks", "/exceptions", "/connections", f"/p/{secret}"]
    paths += [f"/cases/{running.seeded.cases[name]}" for name in ("big", "new", "blocked", "done")]
    for path in paths:
        signed_in.get(running.address + path)
        wide = signed_in.execute_script("return document.documentElement.scrollWidth")
        assert wide <= pixels, path
        sticking_out = signed_in.execute_script(
            "return [...document.querySelectorAll('main *')].filter(one => {"
            " const box = one.getBoundingClientRect();"
            " return box.width > 1 && !one.closest('thead, .diagram > svg')"
            " && box.right > innerWidth + 1;"
            " }).map(one => one.outerHTML)"
        )
        assert sticking_out == [], path
    assert [line["message"] for line in signed_in.get_log("browser")] == []


def test_cells_of_the_overview_do_not_lie_over_each_other(signed_in: Any, running: Running) -> None:
    for pixels in WIDTHS:
        width(signed_in, pixels)
        signed_in.get(running.address + "/")
        over = signed_in.execute_script(
            "return [...document.querySelectorAll('.cases tbody tr')].flatMap(row => {"
            " const boxes = [...row.cells].flatMap(cell => [...cell.querySelectorAll('*')]"
            "  .map(one => [cell, one.getBoundingClientRect(), one.textContent]));"
            " return boxes.flatMap(([cell, a, x]) => boxes.filter(([other, b]) => cell !== other"
            "  && a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1"
            "  && b.top < a.bottom - 1).map(([, , y]) => x + ' | ' + y)); })"
        )
        assert over == [], pixels


def test_text_has_enough_contrast_in_light_and_dark(signed_in: Any, running: Running) -> None:
    """WCAG AA: 4.5 to 1 for text, computed by the browser on what it really drew."""
    script = (Path(__file__).parent / "contrast.js").read_text()
    for scheme in ("light", "dark"):
        signed_in.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        for path in ("/", f"/cases/{running.seeded.cases['big']}", "/exceptions", "/connections"):
            signed_in.get(running.address + path)
            checked, poor = signed_in.execute_script(script)
            assert checked > 20
            assert poor == [], f"{scheme} {path}"
    signed_in.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_change_appears_by_itself(signed_in: Any, running: Running) -> None:
    seeded = running.seeded
    until(signed_in, lambda: text_of(signed_in, "#live") == "Live")
    signed_in.execute_script("window.sameWindow = true")
    seeded.start("live", "supplier-check", "Check Fresh Arrival", email="a@fresh.test")
    until(signed_in, lambda: "Check Fresh Arrival" in text_of(signed_in, "main"))
    assert signed_in.execute_script("return window.sameWindow") is True


def test_a_change_elsewhere_leaves_what_somebody_types_alone(
    signed_in: Any, running: Running
) -> None:
    seeded = running.seeded
    signed_in.get(f"{running.address}/cases/{seeded.cases['big']}")
    until(signed_in, lambda: text_of(signed_in, "#live") == "Live")
    comment = signed_in.find_element(By.CSS_SELECTOR, ".decision textarea")
    comment.send_keys("I am thinking")
    seeded.finish("big", "billing", status="in_progress", who="nobody")
    until(signed_in, lambda: "started “Set up billing" in text_of(signed_in, "#timeline"))
    assert comment.get_attribute("value") == "I am thinking"
    assert signed_in.switch_to.active_element == comment


def test_a_decision_is_taken_with_the_keyboard_alone(signed_in: Any, running: Running) -> None:
    """An option, then the button; a button without an option sends nothing."""
    from selenium.webdriver.common.keys import Keys

    seeded = running.seeded
    page = f"{running.address}/cases/{seeded.cases['big']}"
    signed_in.get(page)
    button = signed_in.find_element(By.CSS_SELECTOR, ".decision button.primary")
    button.send_keys(Keys.ENTER)
    assert signed_in.current_url == page
    signed_in.find_element(By.CSS_SELECTOR, ".decision input[type=radio]").send_keys(Keys.SPACE)
    button.send_keys(Keys.ENTER)
    until(signed_in, lambda: "done=decided" in signed_in.current_url)
    assert "Approved" in text_of(signed_in, ".decided")
    assert "Your decision is taken" in text_of(signed_in, "#messages")


def test_somebody_outside_answers_without_scripts(chrome: Any, running: Running) -> None:
    chrome.delete_all_cookies()
    secret, code = running.seeded.invitation("late", "documents")
    chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        chrome.get(f"{running.address}/p/{secret}")
        for name, value in (("vat_id", "CHE1"), ("employees", "12"), ("code", code)):
            chrome.find_element(By.NAME, name).send_keys(value)
        chrome.find_element(By.CSS_SELECTOR, "input[name=terms][value=true]").click()
        chrome.find_element(By.TAG_NAME, "button").click()
        until(chrome, lambda: chrome.title == "Thank you")
    finally:
        chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert running.seeded.step("late", "documents")["status"] == "completed"

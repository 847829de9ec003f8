"""Who gets in, how, and what a browser is told to be careful about."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hub import identity
from tests.hub.web.conftest import Browser
from tests.hub.web.reading import Page
from tests.hub.web.seed import Seeded


def link(seeded: Seeded) -> str:
    return identity.sign_in_link(seeded.hub, "", "lee")


def test_looking_at_a_sign_in_link_does_not_use_it_up(bare: Seeded, browser: Browser) -> None:
    """A preview fetches it, as often as it likes; the person still gets in."""
    address, client = link(bare), browser()
    for _ in range(3):
        assert "Lee" in Page(client.get(address)).text or "lee" in client.get(address).text
        assert client.head(address).status_code == 200
    answer = client.post(address)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "hub_session=" in cookie
    for part in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=1209600"):
        assert part in cookie
    assert "Secure" not in cookie
    assert client.get("/").status_code == 200


def test_over_https_the_session_never_travels_in_the_clear(bare: Seeded, browser: Browser) -> None:
    client = browser()
    client.base_url = "https://hub.test"
    assert "Secure" in client.post(link(bare)).headers["set-cookie"]


def test_a_link_works_once_and_only_for_half_an_hour(bare: Seeded, browser: Browser) -> None:
    used, late = link(bare), link(bare)
    assert browser().post(used).status_code == 303
    bare.clock.pass_(minutes=31)
    for address in (used, late, "/sign-in/hub_made-up"):
        for answer in (browser().get(address), browser().post(address)):
            page = Page(answer)
            assert page.status == 410
            assert "hub sign-in" in page.text
            assert "hub_session" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize("path", ["/", "/cases/cas_x", "/exceptions", "/connections", "/tasks"])
def test_nobody_sees_a_page_without_signing_in(path: str, browser: Browser) -> None:
    page = Page(browser().get(path))
    assert page.status == (200 if path == "/" else 401)  # the front door answers everybody
    assert "Please sign in" in page.text
    assert "hub sign-in" in page.text


def test_signing_out_ends_the_session_itself(bare: Seeded, browser: Browser) -> None:
    """Not only this browser's memory of it."""
    client = browser("lee")
    kept = client.cookies["hub_session"]
    form = Page(client.get("/")).form("/sign-out")
    assert client.post("/sign-out", data=form.values).status_code == 200
    client.cookies.set("hub_session", kept)
    assert client.get("/tasks").status_code == 401
    assert "Please sign in" in Page(client.get("/")).text


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "null"},
        {"origin": "http://hub.test:8080"},
    ],
)
def test_a_form_from_another_site_changes_nothing(
    headers: dict[str, str], browser: Browser
) -> None:
    client = browser("lee")
    values = Page(client.get("/")).form("/sign-out").values
    assert client.post("/sign-out", data=values, headers=headers).status_code == 403
    assert client.get("/").status_code == 200


def test_a_form_needs_the_seal_of_its_own_session(browser: Browser) -> None:
    """A page on the same host but another port shares the cookie; it cannot know the seal."""
    client, other = browser("lee"), browser("dana")
    foreign = Page(other.get("/")).form("/sign-out").values
    for values in ({}, {"csrf": ""}, {"csrf": "é"}, foreign):
        answer = client.post("/sign-out", data=values, headers={"origin": "http://hub.test"})
        assert answer.status_code == 403
    assert client.get("/").status_code == 200


def test_every_page_tells_the_browser_to_be_careful(bare: Seeded, browser: Browser) -> None:
    client = browser("lee")
    for path in ("/", "/tasks", "/cases/nothing", link(bare), "/p/nothing", "/sign-in/nothing"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"


def test_static_files_are_kept_by_the_browser_only_under_their_own_version(
    browser: Browser,
) -> None:
    client = browser("lee")
    found = re.findall(r'"(/static/[^"]+)"', client.get("/").text)
    assert len(found) == 3
    for address in found:
        answer = client.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert client.get(address.partition("?")[0]).headers["cache-control"] == "no-cache"
    for name in ("nothing.css", "..%2fsite.py"):
        assert client.get(f"/static/{name}").status_code == 404


def test_no_template_has_inline_script_or_style() -> None:
    """The content security policy would silently drop it."""
    folder = Path(__file__).parents[3] / "hub" / "web" / "templates"
    templates = sorted(folder.glob("*.html"))
    assert templates
    for template in templates:
        text = template.read_text()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", text), template


def test_a_form_that_is_none_or_too_big_is_refused(browser: Browser) -> None:
    client = browser("lee")
    assert client.post("/sign-out", json={"csrf": "x"}).status_code == 415
    assert client.post("/sign-out", data={"x": "y" * 300_000}).status_code == 413
    assert client.post("/sign-out", data={f"x{n}": "" for n in range(1001)}).status_code == 413

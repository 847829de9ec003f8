"""The overview: who has what, by when, and what waits for whoever looks."""

from __future__ import annotations

from pathlib import Path

from fastapi.testclient import TestClient

from hub import identity
from tests.hub.web.conftest import Browser
from tests.hub.web.reading import Page
from tests.hub.web.seed import Seeded, open_seeded

TITLES = {
    "done": "Onboard Alpenglow Optik",
    "refused": "Onboard Fjord Trading",
    "blocked": "Onboard Kiosk am Eck",
    "late": "Onboard Nordlicht GmbH",
    "big": "Onboard Brightwater AG",
    "new": "Onboard Lakeside Clinic",
    "supplier": "Check Rapid Print",
}


def listed(text: str) -> list[str]:
    """Cases in the table, in its order."""
    table = text[text.index("Answers for it") :]
    places = {name: table.find(title) for name, title in TITLES.items()}
    return sorted((name for name, at in places.items() if at >= 0), key=places.__getitem__)


def test_running_cases_stand_with_the_worst_first(seeded: Seeded, browser: Browser) -> None:
    page = Page(browser("lee").get("/"))
    assert listed(page.text) == ["blocked", "late", "supplier", "big", "new"]


def test_a_line_says_who_has_the_ball_by_when_and_how_far_it_is(
    seeded: Seeded, browser: Browser
) -> None:
    text = Page(browser("lee").get("/?q=Nordlicht")).text
    line = text[text.index("Onboard Nordlicht") :]
    for part in (
        "Customer onboarding",
        "Overdue",
        "office@late.test external",
        "Send us your registration documents",
        "2 business days late",
        "1 of 6",
        "Dana Meier",
    ):
        assert part in line


def test_the_exact_time_stands_behind_the_words(seeded: Seeded, browser: Browser) -> None:
    page = Page(browser("lee").get("/?q=Nordlicht"))
    times = [given for tag, given in page.tags if tag == "time"]
    assert any(given.get("title") == "Thu 5 Mar 2026, 11:20 CET" for given in times)


def test_the_counters_count(seeded: Seeded, browser: Browser) -> None:
    text = Page(browser("lee").get("/")).text
    for part in (
        "5 running",
        "1 overdue",
        "1 blocked",
        "2 waiting on externals",
        "6 open exceptions",
        "2 waiting for you",
    ):
        assert part in text


def test_filters_narrow_the_list(seeded: Seeded, browser: Browser) -> None:
    client = browser("lee")
    for query, expected in (
        ("health=overdue", ["late"]),
        ("health=blocked", ["blocked"]),
        ("waiting=external", ["late", "supplier"]),
        ("process=supplier-check", ["supplier"]),
        ("status=completed", ["done"]),
        ("status=terminated", ["refused"]),
        ("q=brightw", ["big"]),
        ("q=supplier", ["supplier"]),  # its key
        ("status=nonsense&health=nonsense&page=-3", ["blocked", "late", "supplier", "big", "new"]),
    ):
        assert listed(Page(client.get(f"/?{query}")).text) == expected, query
    assert set(listed(Page(client.get("/?status=all")).text)) == set(TITLES)
    assert "No case fits these filters" in Page(client.get("/?q=100%25")).text


def test_what_waits_for_somebody_is_theirs_alone(seeded: Seeded, browser: Browser) -> None:
    """Lee decides and was offered the contract; Sam may decide as a member of the role, and was
    offered the billing; Dana has neither.
    """
    lee, sam, dana = (Page(browser(one).get("/")).text for one in ("lee", "sam", "dana"))
    assert "Decide: Grant Brightwater AG credit?" in lee
    assert "Accept or decline: Sign the contract with Lakeside Clinic" in lee
    assert "Decide: Grant Brightwater AG credit?" in sam
    assert "Accept or decline: Set up billing for Brightwater AG" in sam
    assert "Sign the contract with Lakeside Clinic Onboard" not in sam
    assert "0 waiting for you" in dana


def test_connections_without_proof_are_shown_on_every_page(
    seeded: Seeded, browser: Browser
) -> None:
    for path in ("/", "/tasks", f"/cases/{seeded.cases['big']}"):
        assert "github takes deliveries without any proof" in Page(browser("lee").get(path)).text


def test_a_title_is_text_and_never_markup(bare: Seeded, browser: Browser) -> None:
    bare.start("x", "supplier-check", "<script>alert(1)</script>", email="a@b.test")
    answer = browser("lee").get("/")
    assert "<script>alert" not in answer.text
    assert "<script>alert(1)</script>" in Page(answer).text


def test_many_cases_come_in_pages(bare: Seeded, browser: Browser) -> None:
    for number in range(53):
        bare.start(f"n{number}", "supplier-check", f"Check {number:02}", email="a@b.test")
    client = browser("lee")
    first, second = Page(client.get("/?q=check")), Page(client.get("/?q=check&page=2"))
    assert "Next page" in first.text
    assert "Earlier page" in second.text
    assert first.text.count("Supplier check") - second.text.count("Supplier check") == 47
    assert any("page=2" in href and "q=check" in href for href in first.hrefs())


def test_an_empty_hub_says_what_to_do_next(bare: Seeded, browser: Browser) -> None:
    text = Page(browser("lee").get("/")).text
    assert "No cases yet" in text
    assert "hub demo" in text


def test_a_hub_without_a_workspace_says_how_to_make_one(tmp_path: Path) -> None:
    empty = open_seeded(tmp_path, {})
    session = identity.sign_in(empty.hub, identity.sign_in_link(empty.hub, "").rpartition("/")[2])
    with TestClient(empty.app(), cookies={"hub_session": session or ""}) as client:
        for path in ("/", "/tasks", "/exceptions", "/connections"):
            assert client.get(path).status_code == 200
        assert "hub init" in Page(client.get("/")).text
    empty.hub.database.close()

"""A decision of several on the page of its case: who has said what, and handing a seat on."""

from __future__ import annotations

from typing import Any

from hub.store import cases
from hub.store import seats as store
from tests.hub.web.conftest import Browser
from tests.hub.web.reading import Page
from tests.hub.web.seed import Seeded


def together(seeded: Seeded) -> str:
    """Make the decision of the big case one that Lee and Dana must take alike; its id."""
    id = str(seeded.step("big", "credit")["decision"])

    def seat(unit: Any) -> None:
        row = cases.decision(unit.tx, id)
        assert row
        cases.save_decision(unit.tx, row | {"quorum": 2, "exclude": []})
        dana = seeded.person("dana")["id"]
        there = store.of(unit.tx, [id])[id]
        if dana not in {one["party"] for one in there}:
            fresh = store.new_seat(id, 2, dana, None)
            store.insert(unit.tx, [fresh | {"asked_at": unit.now}])

    seeded.do(seat)
    return id


def send(client: Any, page: Page, part: str, **more: str) -> Page:
    """Send a form of the page; the page that follows."""
    form = page.form(part)
    answer = client.post(form.action, data={**form.values, **more})
    assert answer.status_code == 303, answer.text
    return Page(client.get(answer.headers["location"]))


def test_the_page_shows_who_has_answered_what_and_who_is_still_asked(
    seeded: Seeded, browser: Browser
) -> None:
    id = together(seeded)
    client = browser("lee")
    page = Page(client.get(f"/cases/{seeded.cases['big']}"))
    assert "2 must agree." in page.text
    assert page.text.count("is asked") == 2
    page = send(client, page, f"/decisions/{id}", outcome="approved")
    assert "Your voice is taken. Others have still to agree." in page.text
    assert page.text.count("is asked") == 1
    assert "Change or confirm" in page.text
    page = send(client, page, f"/decisions/{id}/take-back")
    assert "What you said is taken back." in page.text
    assert page.text.count("is asked") == 2


def test_a_seat_is_handed_on_from_the_page(seeded: Seeded, browser: Browser) -> None:
    id = together(seeded)
    client = browser("lee")
    page = Page(client.get(f"/cases/{seeded.cases['big']}"))
    sam = seeded.person("sam")["id"]
    page = send(client, page, f"/decisions/{id}/delegate", to=sam, note="On a plane.")
    assert "Somebody else is asked now" in page.text
    assert "“On a plane.”" in page.text
    page = send(client, page, f"/decisions/{id}/revoke")
    assert "It is back with whoever had it before." in page.text

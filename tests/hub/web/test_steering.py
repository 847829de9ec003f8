"""What people do with a case as a whole on its page."""

from __future__ import annotations

import re

from tests.hub.web.conftest import Browser
from tests.hub.web.seed import Seeded


def token(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    return found[1]


def running(seeded: Seeded) -> str:
    """A case that is active."""
    with seeded.hub.database.read() as tx:
        from hub.store import cases

        return str(cases.list_cases(tx, status="active")[0]["id"])


def test_a_case_rests_goes_on_and_is_ended_from_its_page(seeded: Seeded, browser: Browser) -> None:
    client, id = browser("dana"), running(seeded)
    page = client.get(f"/cases/{id}").text
    assert "Let it rest" in page

    def do(what: str, why: str = "they asked", status: int = 303) -> str:
        csrf = token(client.get("/").text if what == "none" else page)
        sent = {"csrf": csrf, "do": what, "comment": why}
        answer = client.post(f"/cases/{id}/steer", data=sent, headers={"Origin": "http://hub.test"})
        assert answer.status_code == status, answer.text
        return client.get(answer.headers["location"]).text if status == 303 else answer.text

    assert "The case rests" in do("suspend")
    assert "Let it go on" in client.get(f"/cases/{id}").text
    assert "That cannot be done" in do("suspend", status=409)
    assert "The case goes on" in do("resume")
    assert "Say in" in do("terminate", " ", status=422)
    assert "Nothing was changed" in do("delete", status=422)
    ended = do("terminate", "customer withdrew")
    assert "The case is ended" in ended
    assert "Let it rest" not in ended

"""The pages of processes: their pictures, with nothing that the page's own policy forbids."""

from __future__ import annotations

from tests.hub.web.conftest import Browser
from tests.hub.web.seed import Seeded


def test_a_process_is_drawn_on_its_page(seeded: Seeded, browser: Browser) -> None:
    lee = browser("lee")
    assert 'href="/processes/customer-onboarding"' in lee.get("/processes").text
    page = lee.get("/processes/customer-onboarding").text
    assert 'class="process-diagram"' in page
    assert "<style>" not in page
    assert "/static/diagram.css" in page
    assert lee.get("/processes/nope").status_code == 404


def test_its_picture_and_its_bpmn_can_be_kept(seeded: Seeded, browser: Browser) -> None:
    lee = browser("lee")
    for name, kind in (("diagram.svg", "image/svg+xml"), ("process.bpmn", "application/xml")):
        kept = lee.get(f"/processes/customer-onboarding/{name}")
        assert kept.status_code == 200
        assert kept.headers["content-type"].startswith(kind)
        assert "attachment" in kept.headers["content-disposition"]
    assert browser().get("/processes/customer-onboarding/diagram.svg").status_code != 200


def test_a_case_shows_where_it_stands(seeded: Seeded, browser: Browser) -> None:
    page = browser("lee").get(f"/cases/{seeded.cases['big']}").text
    drawn = page[page.index('<svg xmlns="http://www.w3.org/2000/svg" class="process-diagram"') :]
    drawn = drawn[: drawn.index("</svg>")]
    assert "is-completed" in drawn
    assert "Not yet</tspan>" in drawn
    assert "Done</tspan>" in drawn


def test_programs_get_the_same_by_the_api(seeded: Seeded, browser: Browser) -> None:
    from fastapi.testclient import TestClient

    from hub import identity
    from hub.api.app import create_api
    from hub.api.stream import Stream

    _, token = identity.create_token(seeded.hub, "member", "test")
    client = TestClient(create_api(seeded.hub, Stream()), base_url="http://hub.test")
    client.headers["Authorization"] = f"Bearer {token}"
    listed = client.get("/api/v1/processes").json()["items"]
    assert [one["key"] for one in listed] == ["customer-onboarding", "supplier-check"]
    assert client.get("/api/v1/processes/customer-onboarding").json()["steps"][0]["key"] == (
        "contract"
    )
    for path, kind in (
        ("processes/customer-onboarding/diagram.svg", "image/svg+xml"),
        ("processes/customer-onboarding/bpmn", "application/xml"),
        (f"cases/{seeded.cases['big']}/diagram.svg", "image/svg+xml"),
    ):
        answer = client.get(f"/api/v1/{path}")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith(kind)
    unknown = client.get("/api/v1/processes/nope/diagram.svg")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "process_unknown")

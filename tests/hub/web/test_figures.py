"""The page of figures, and what a case's page says of clocks."""

from __future__ import annotations

from tests.hub.web.conftest import Browser
from tests.hub.web.seed import Seeded


def test_the_figures_tell_how_cases_fare_and_who_had_the_work(
    seeded: Seeded, browser: Browser
) -> None:
    page = browser("lee").get("/figures")
    assert page.status_code == 200
    for part in ("Lay with us, outside, with systems", "Half within", "Dana Meier"):
        assert part in page.text
    assert 'href="/figures" aria-current="page"' in page.text


def test_figures_of_a_process_that_is_not_there_are_those_of_all(
    seeded: Seeded, browser: Browser
) -> None:
    assert browser("lee").get("/figures?process=none").status_code == 200
    narrowed = browser("lee").get("/figures?process=customer-onboarding")
    assert 'value="customer-onboarding" selected' in narrowed.text

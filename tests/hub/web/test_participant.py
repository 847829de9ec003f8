"""The page of somebody outside: no account, one link, a code from the mail."""

from __future__ import annotations

import pytest

from hub.store import access, cases, events, work
from tests.hub.web.conftest import Browser
from tests.hub.web.reading import Page
from tests.hub.web.seed import Seeded

GOOD = {"vat_id": "CHE123456789", "employees": "40", "terms": "true", "plan": "team"}


@pytest.fixture
def link(seeded: Seeded) -> tuple[str, str]:
    """The address of the form of the late case, and its code."""
    secret, code = seeded.invitation("late", "documents")
    return f"/p/{secret}", code


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def test_the_page_says_what_is_asked_by_when_and_for_whom(
    link: tuple[str, str], browser: Browser
) -> None:
    page = Page(browser().get(link[0]))
    assert page.status == 200
    for part in (
        "Send us your registration documents",
        "Onboard Nordlicht GmbH",
        "VAT number, checked",
        "Thu 5 Mar 2026, 11:20 CET",
        "Dana Meier",
        "Two or three letters, then digits",
        "(optional)",
    ):
        assert part in page.text
    assert page.forms[0].required == {"vat_id", "employees", "terms", "code"}
    assert "answer.code" in page.forms[0].names


def test_the_page_tells_nothing_else_of_the_case(link: tuple[str, str], browser: Browser) -> None:
    text = browser().get(link[0]).text
    for secret in ("24000", "lee", "Sign the contract", "billing", "dana@acme.test", "crm"):
        assert secret.lower() not in text.lower()


def test_the_page_lists_their_own_steps_and_nobody_elses(
    seeded: Seeded, link: tuple[str, str], browser: Browser
) -> None:
    assert "What we asked of you so far" not in browser().get(link[0]).text
    theirs = seeded.step("late", "contract") | {
        "responsible": seeded.step("late", "documents")["responsible"]
    }
    seeded.do(lambda unit: cases.save_step(unit.tx, theirs))
    seeded.comment("late", "contract", "Between us: they haggle, 24000 is the floor.")
    text = Page(browser().get(link[0])).text
    assert "What we asked of you so far Done Sign the contract with Nordlicht GmbH (" in text
    assert "This page Send us your registration documents (by Thu 5 Mar 2026, 11:20 CET)" in text
    assert "A question? Reply to the mail" in text
    for secret in ("24000", "haggle", "Lee Kim", "Set up billing", "tenant", "github", "@acme"):
        assert secret.lower() not in text.lower()


def test_looking_changes_nothing(seeded: Seeded, link: tuple[str, str], browser: Browser) -> None:
    """Mail scanners open every link, more than once."""

    def state() -> tuple[object, ...]:
        with seeded.hub.database.read() as tx:
            token = access.token(tx, link[0][3:], "participant", seeded.clock())
            return (
                dict(token or {}),
                seeded.step("late", "documents"),
                len(events.of(tx, limit=999)),
            )

    before = state()
    for _ in range(3):
        browser().get(link[0])
        answer = browser().head(link[0])
        assert (answer.status_code, answer.text) == (200, "")
        browser().get(f"{link[0]}?code={link[1]}&vat_id=CHE123456789&answer=done")
    assert state() == before


def test_an_answer_with_the_code_completes_the_step(
    seeded: Seeded, link: tuple[str, str], browser: Browser
) -> None:
    address, code = link
    sent = {**GOOD, "code": f" {code} ", "answer.code": "CC-7", "contact": ""}
    page = Page(browser().post(address, data=sent))
    assert (page.status, "Thank you" in page.text) == (200, True)
    assert seeded.case("late")["data"]["documents"] == {
        "vat_id": "CHE123456789", "employees": 40, "terms": True, "plan": "team", "code": "CC-7",
    }  # fmt: skip
    assert seeded.step("late", "documents")["status"] == "completed"
    assert seeded.step("late", "billing")["status"] == "active"
    with seeded.hub.database.read() as tx:
        told = events.of(tx, case=seeded.cases["late"], limit=500)
        done = next(one for one in told if one["type"] == "task.completed")
    assert done["data"]["channel"] == "link"
    assert done["actor"]["name"] == "office@late.test"


def test_a_second_answer_finds_it_answered(
    seeded: Seeded, link: tuple[str, str], browser: Browser
) -> None:
    address, code = link
    browser().post(address, data={**GOOD, "code": code})
    for answer in (browser().get(address), browser().post(address, data={**GOOD, "code": code})):
        page = Page(answer)
        assert (page.status, "already answered" in page.text) == (409, True)


def test_without_the_code_nothing_is_taken_and_nothing_typed_is_lost(
    seeded: Seeded, link: tuple[str, str], browser: Browser
) -> None:
    address, code = link
    for sent in ({}, {"code": ""}, {"code": wrong(code)}):
        page = Page(browser().post(address, data={**GOOD, "vat_id": "CHE77", **sent}))
        assert page.status == 422
        assert "not the code from the mail" in page.text
        kept = page.forms[0].values
        assert (kept["vat_id"], kept["employees"], kept["terms"]) == ("CHE77", "40", "true")
    assert seeded.step("late", "documents")["status"] == "active"


def test_guessing_codes_kills_the_link(
    seeded: Seeded, link: tuple[str, str], browser: Browser
) -> None:
    address, code = link
    for _ in range(access.MAX_FAILURES):
        assert browser().post(address, data={**GOOD, "code": wrong(code)}).status_code == 422
    page = Page(browser().post(address, data={**GOOD, "code": code}))
    assert (page.status, "no longer works" in page.text) == (410, True)
    assert seeded.step("late", "documents")["status"] == "active"


def test_errors_stand_at_their_fields(
    seeded: Seeded, link: tuple[str, str], browser: Browser
) -> None:
    address, code = link
    sent = {"vat_id": "123", "employees": "none", "contact": "nobody", "code": code}
    page = Page(browser().post(address, data=sent))
    assert page.status == 422
    for part in (
        "'123' does not have the form",
        "Write a whole number",
        "Write an e-mail address",
        "Please fill this in.",
    ):
        assert part in page.text
    assert "not the code" not in page.text
    invalid = [
        given["name"] for _, given in page.tags if "aria-invalid" in given and "name" in given
    ]
    assert invalid == ["vat_id", "contact", "employees"]
    assert page.forms[0].values["vat_id"] == "123"


def test_a_step_without_a_form_wants_an_explicit_answer(seeded: Seeded, browser: Browser) -> None:
    secret, code = seeded.invitation("supplier", "papers")
    address = f"/p/{secret}"
    assert {"answer", "code"} <= Page(browser().get(address)).forms[0].required
    page = Page(browser().post(address, data={"code": code, "comment": "hello"}))
    assert (page.status, "choose one" in page.text) == (422, True)
    assert page.forms[0].values["comment"] == "hello"
    assert seeded.step("supplier", "papers")["status"] == "active"
    done = browser().post(address, data={"code": code, "answer": "done", "comment": "By post."})
    assert done.status_code == 200
    assert seeded.case("supplier")["status"] == "completed"
    text = Page(browser("sam").get(f"/cases/{seeded.cases['supplier']}")).text
    assert "sales@rapidprint.test just now public By post." in text


def test_not_yet_is_a_comment_and_leaves_the_link_open(seeded: Seeded, browser: Browser) -> None:
    secret, code = seeded.invitation("supplier", "papers")
    address = f"/p/{secret}"
    empty = Page(browser().post(address, data={"code": code, "answer": "not_yet"}))
    assert (empty.status, "what is missing" in empty.text) == (422, True)
    sent = {"code": code, "answer": "not_yet", "comment": "Page 3 is missing."}
    assert Page(browser().post(address, data=sent)).status == 200
    step = seeded.step("supplier", "papers")
    assert step["status"] == "active"
    with seeded.hub.database.read() as tx:
        assert [one["body"] for one in work.comments_of(tx, step["task"])] == ["Page 3 is missing."]
    assert browser().get(address).status_code == 200


def test_an_old_link_is_gone_and_a_made_up_one_unknown(
    seeded: Seeded, link: tuple[str, str], browser: Browser
) -> None:
    for made_up in ("/p/nothing", f"{link[0][:-4]}0000x", "/p/inv_.", "/p/%ff%00é"):
        assert Page(browser().get(made_up)).status == 404
    seeded.clock.pass_(days=31)
    page = Page(browser().get(link[0]))
    assert (page.status, "no longer works" in page.text) == (410, True)


def test_a_link_of_a_case_that_ended_takes_nothing(
    seeded: Seeded, link: tuple[str, str], browser: Browser
) -> None:
    from hub.process import cases as moving

    seeded.do(lambda unit: moving.terminate(unit, seeded.cases["late"], "not needed"))
    assert browser().post(link[0], data={**GOOD, "code": link[1]}).status_code == 409


def test_nul_and_broken_text_in_an_answer_do_no_harm(
    seeded: Seeded, link: tuple[str, str], browser: Browser
) -> None:
    body = f"vat_id=CHE1&employees=1&terms=true&notes=a%00b%ff&code={link[1]}"
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert browser().post(link[0], content=body, headers=kind).status_code == 200
    assert seeded.case("late")["data"]["documents"]["notes"] == "ab\N{REPLACEMENT CHARACTER}"

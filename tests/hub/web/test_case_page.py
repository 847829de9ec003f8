"""One case: its steps, its links, its decisions and handoffs, and its story."""

from __future__ import annotations

from hub.store import cases
from tests.hub.web.conftest import Browser
from tests.hub.web.reading import Page
from tests.hub.web.seed import Seeded


def address(seeded: Seeded, name: str) -> str:
    return f"/cases/{seeded.cases[name]}"


def test_steps_stand_in_the_order_of_the_process(seeded: Seeded, browser: Browser) -> None:
    text = Page(browser("lee").get(address(seeded, "big"))).text
    steps = text[text.index("Steps") :]
    order = [
        "Sign the contract with Brightwater AG Completed",
        "Send us your registration documents Completed",
        "Set up billing for Brightwater AG Now",
        "Grant Brightwater AG credit? Decision · Now",
        "Create the tenant of Brightwater AG Not yet",
        "Live Milestone · Not yet",
    ]
    places = [steps.index(one) for one in order]
    assert places == sorted(places)
    for part in (
        "Countersigned contract, filed with the deal",
        "ines@brightwater.test external",
        "VAT number CHE123456789",
        "Do you agree to the terms? yes",
        "somebody of engineering",
        "after Set up billing for Brightwater AG, Grant Brightwater AG credit?",
        "offered to Sam Okafor 3 h ago",
        "The extract from the register follows by post.",
    ):
        assert part in steps


def test_every_tool_is_one_click_away(seeded: Seeded, browser: Browser) -> None:
    page = Page(browser("lee").get(address(seeded, "big")))
    assert "https://github.test/issue/acme/ops#41" in page.hrefs()
    assert "https://crm.test/opportunity/0065g00000ABCDE" in page.hrefs()


def test_an_address_from_a_tool_that_is_no_web_address_is_no_link(
    seeded: Seeded, browser: Browser
) -> None:
    from hub.store import work

    task = seeded.step("new", "contract")["task"]

    def spoil(unit: object) -> None:
        link = work.link_of(unit.tx, task, "github")  # type: ignore[attr-defined]
        assert link
        work.save_links(unit.tx, [{**link, "url": "javascript:alert(1)"}])  # type: ignore[attr-defined]

    seeded.do(spoil)
    page = Page(browser("lee").get(address(seeded, "new")))
    assert "acme/ops#44" in page.text
    assert not any(href.startswith("javascript") for href in page.hrefs())


def test_the_story_is_told_in_sentences(seeded: Seeded, browser: Browser) -> None:
    client = browser("lee")
    text = Page(client.get(address(seeded, "big"))).text
    story = text[text.index("What happened") :]
    for part in (
        "Lee Kim completed “Sign the contract with Brightwater AG”. 4 h ago · github",
        "ines@brightwater.test completed “Send us your registration documents”."
        " 3 h ago · personal link",
        "Process Hub asked Lee Kim to decide “Grant Brightwater AG credit?”.",
        "Dana Meier started the case. 6 h ago · crm",
    ):
        assert part in story
    assert "{" not in story
    detailed = Page(client.get(address(seeded, "big") + "?all=1")).text
    assert "created the task" in detailed
    assert "created the task" not in story


def test_what_is_wrong_stands_on_top(seeded: Seeded, browser: Browser) -> None:
    text = Page(browser("lee").get(address(seeded, "blocked"))).text
    assert text.index("2 open exceptions") < text.index("Steps")
    assert "It is not clear whether 'credit' is needed" in text
    assert "Whether this step is needed could not be worked out" in text


def test_an_unknown_case_is_a_kind_404(seeded: Seeded, browser: Browser) -> None:
    page = Page(browser("lee").get("/cases/cas_nothing"))
    assert (page.status, "There is no such case" in page.text) == (404, True)


# ------------------------------------------------------------------------------------- decisions


def test_a_decision_is_taken_by_whoever_may(seeded: Seeded, browser: Browser) -> None:
    client = browser("lee")
    form = Page(client.get(address(seeded, "big"))).form("/decisions/")
    assert form.required == {"outcome"}
    assert "outcome" not in form.values  # nothing is chosen for them
    answer = client.post(form.action, data={**form.values, "outcome": "approved", "comment": "ok"})
    assert answer.status_code == 303
    text = Page(client.get(answer.headers["location"])).text
    assert "Your decision is taken" in text
    assert "Approved by Lee Kim" in text
    with seeded.hub.database.read() as tx:
        row = cases.list_decisions(tx, case=seeded.cases["big"])[0]
    assert (row["outcome"], row["channel"], row["comment"]) == ("approved", "web", "ok")
    assert row["decided_by"] == seeded.person("lee")["id"]
    assert not Page(client.get(address(seeded, "big"))).has_form("/decisions/")


def test_without_an_explicit_choice_nothing_is_decided(seeded: Seeded, browser: Browser) -> None:
    client = browser("lee")
    form = Page(client.get(address(seeded, "big"))).form("/decisions/")
    page = Page(client.post(form.action, data={**form.values, "comment": "I wrote a lot"}))
    assert page.status == 422
    assert "nothing was decided" in page.text
    assert "I wrote a lot" in page.form("/decisions/").values["comment"]
    assert seeded.step("big", "credit")["status"] == "active"


def test_a_decision_on_evidence_that_changed_is_refused_and_shown_anew(
    seeded: Seeded, browser: Browser
) -> None:
    client = browser("lee")
    form = Page(client.get(address(seeded, "big"))).form("/decisions/")
    seeded.finish("big", "billing", who="nobody")
    page = Page(client.post(form.action, data={**form.values, "outcome": "approved"}))
    assert page.status == 409
    assert "has changed since you saw it" in page.text
    fresh = page.form("/decisions/").values["evidence_hash"]
    assert fresh != form.values["evidence_hash"]
    again = {**form.values, "evidence_hash": fresh, "outcome": "approved"}
    assert client.post(form.action, data=again).status_code == 303


def test_somebody_else_sees_the_question_but_no_form(seeded: Seeded, browser: Browser) -> None:
    dana = browser("dana")
    page = Page(dana.get(address(seeded, "big")))
    assert not page.has_form("/decisions/")
    assert "somebody else's" in page.text
    assert "It is with Lee Kim" in page.text


def test_a_session_without_a_person_cannot_decide_even_by_hand(
    seeded: Seeded, browser: Browser
) -> None:
    """An admin by token: rights over the hub, but nobody who could answer for a decision."""
    lee = Page(browser("lee").get(address(seeded, "big"))).form("/decisions/")
    nobody = browser(None, role="operator")
    page = Page(nobody.get(address(seeded, "big")))
    assert not page.has_form("/decisions/")
    values = {**lee.values, "csrf": page.form("/sign-out").values["csrf"], "outcome": "approved"}
    refused = nobody.post(lee.action, data=values)
    assert refused.status_code == 403
    assert seeded.step("big", "credit")["status"] == "active"


def test_a_reopened_step_shows_which_run_it_is(seeded: Seeded, browser: Browser) -> None:
    client = browser("lee")
    form = Page(client.get(address(seeded, "big"))).form("/decisions/")
    client.post(form.action, data={**form.values, "outcome": "changes_requested"})
    text = Page(client.get(address(seeded, "big"))).text
    assert "Send us your registration documents run 2" in text
    assert "Changes requested by Lee Kim" in text


# -------------------------------------------------------------------------------------- handoffs


def test_a_handoff_is_accepted_by_whom_it_is_offered_to(seeded: Seeded, browser: Browser) -> None:
    lee = browser("lee")
    assert not Page(browser("sam").get(address(seeded, "new"))).has_form("/handoffs/")
    form = Page(lee.get(address(seeded, "new"))).form("/handoffs/")
    answer = lee.post(form.action, data={**form.values, "answer": "accept"})
    assert answer.status_code == 303
    page = Page(lee.get(answer.headers["location"]))
    assert "It is yours now" in page.text
    assert not page.has_form("/handoffs/")


def test_a_declined_handoff_goes_back_with_its_reason(seeded: Seeded, browser: Browser) -> None:
    lee = browser("lee")
    form = Page(lee.get(address(seeded, "new"))).form("/handoffs/")
    lee.post(form.action, data={**form.values, "answer": "decline", "note": "I am away."})
    text = Page(lee.get(address(seeded, "new"))).text
    assert "Lee Kim declined: I am away." in text
    assert seeded.step("new", "contract")["responsible"] == seeded.person("dana")["id"]


def test_an_answer_to_a_handoff_is_explicit_and_only_the_right_persons(
    seeded: Seeded, browser: Browser
) -> None:
    form = Page(browser("lee").get(address(seeded, "new"))).form("/handoffs/")
    assert browser("lee").post(form.action, data=form.values).status_code in (403, 422)
    sam = browser("sam", role="member")
    csrf = Page(sam.get("/")).form("/sign-out").values["csrf"]
    page = Page(sam.post(form.action, data={"csrf": csrf, "answer": "accept"}))
    assert (page.status, "offered to Lee Kim" in page.text) == (403, True)

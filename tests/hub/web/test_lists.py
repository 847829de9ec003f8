"""Exceptions, connections and tasks."""

from __future__ import annotations

import re
from datetime import timedelta

from connectors.sdk.records import Field
from hub.flow import connections as flow
from hub.flow.differences import plain
from hub.store import exceptions, running, schemas
from tests.hub.web.conftest import Browser
from tests.hub.web.reading import Page
from tests.hub.web.seed import Seeded

_TITLES = re.compile(
    r"(?:Set up billing|Sign the contract|Send us)[^.]*?(?=Open|Done|In progress|Cancelled)"
)


def status_of(seeded: Seeded, title: str) -> tuple[str, str | None]:
    with seeded.hub.database.read() as tx:
        rows = exceptions.list_exceptions(tx, status=None)
    row = next(row for row in rows if title in row["title"])
    return row["status"], row["resolution"]


def id_of(seeded: Seeded, title: str) -> str:
    with seeded.hub.database.read() as tx:
        rows = exceptions.list_exceptions(tx, status=None)
    return str(next(row["id"] for row in rows if title in row["title"]))


def test_exceptions_stand_by_severity_and_then_by_age(seeded: Seeded, browser: Browser) -> None:
    page = Page(browser("lee").get("/exceptions"))
    severities = re.findall(r"(?<= )(High|Normal|Low)(?= )", page.text)
    assert severities == ["High"] * 4 + ["Normal", "Low"]
    assert page.text.index("It is not clear") < page.text.index("is overdue")
    for part in ("Validation", "Dana Meier", "no owner", "Open the case"):
        assert part in page.text
    mine = Page(browser("dana").get("/exceptions?mine=1")).text
    assert "No rule takes" not in mine


def test_an_exception_is_resolved_with_a_word(seeded: Seeded, browser: Browser) -> None:
    client = browser("lee")
    id = id_of(seeded, "No rule")
    form = Page(client.get("/exceptions")).form(f"{id}/resolve")
    answer = client.post(form.action, data={**form.values, "comment": "rule added"})
    assert answer.status_code == 303
    assert status_of(seeded, "No rule") == ("resolved", "rule added")
    assert "Resolved" in Page(client.get(answer.headers["location"])).text


def test_waiving_needs_a_reason(seeded: Seeded, browser: Browser) -> None:
    client = browser("lee")
    values = Page(client.get("/exceptions")).form("/resolve").values
    path = f"/exceptions/{id_of(seeded, 'No rule')}/waive"
    page = Page(client.post(path, data=values))
    assert (page.status, "Say why" in page.text) == (422, True)
    assert status_of(seeded, "No rule")[0] == "open"
    assert client.post(path, data={**values, "comment": "fine"}).status_code == 303
    assert status_of(seeded, "No rule") == ("waived", "fine")


def test_a_conflict_shows_both_values_and_wants_a_choice(seeded: Seeded, browser: Browser) -> None:
    client = browser("lee")
    id = id_of(seeded, "changed here and in github")
    page = Page(client.get("/exceptions"))
    assert "Which Priority holds? Here high In github low" in page.text
    form = page.form(f"{id}/resolve")
    undecided = Page(client.post(form.action, data=form.values))
    assert (undecided.status, "Choose one of them first" in undecided.text) == (422, True)
    assert client.post(form.action, data={**form.values, "choose": "theirs"}).status_code == 303
    assert status_of(seeded, "changed here and in github") == ("resolved", "priority: theirs")


def test_trying_again_wakes_what_does_it(seeded: Seeded, browser: Browser) -> None:
    client = browser("lee")
    values = Page(client.get("/exceptions")).form("/resolve").values
    seeded.woken.clear()
    path = f"/exceptions/{id_of(seeded, 'crm is paused')}/retry"
    assert client.post(path, data=values).status_code == 303
    assert "deliver" in seeded.woken
    with seeded.hub.database.read() as tx:
        assert running.paused(tx) == set()


def test_what_cannot_be_done_is_said_and_changes_nothing(seeded: Seeded, browser: Browser) -> None:
    client = browser("lee")
    values = Page(client.get("/exceptions")).form("/resolve").values
    overdue = id_of(seeded, "is overdue")
    page = Page(client.post(f"/exceptions/{overdue}/retry", data=values))
    assert (page.status, "nothing to try again" in page.text) == (409, True)
    assert client.post(f"/exceptions/{overdue}/eat", data=values).status_code == 404
    assert client.post("/exceptions/exc_x/resolve", data=values).status_code == 404


def test_nobody_ends_an_exception_as_an_assistant(seeded: Seeded, browser: Browser) -> None:
    client = browser(None, role="assistant")
    values = Page(client.get("/exceptions")).form("/resolve").values
    path = f"/exceptions/{id_of(seeded, 'No rule')}/resolve"
    assert client.post(path, data=values).status_code == 403
    assert status_of(seeded, "No rule")[0] == "open"


# ------------------------------------------------------------------------------------ connections


def test_a_connection_shows_how_it_fares(seeded: Seeded, browser: Browser) -> None:
    text = Page(browser("lee").get("/connections")).text
    crm = text[text.index("crm salesforce") : text.index("github github")]
    github = text[text.index("github github") : text.index("mail email")]
    for part in ("Paused", "Salesforce refuses the password", "Last answer never", "Resume"):
        assert part in crm
    for part in ("Fine", "without any proof", "Last answer 3 min ago", "Waiting to go out 7"):
        assert part in github
    assert "Last delivery" in github
    assert "Last delivery" not in text[text.index("mail email") :]


def test_a_connection_that_captures_says_until_when(seeded: Seeded, browser: Browser) -> None:
    with seeded.hub.unit() as unit:
        flow.capture(unit, "github", timedelta(hours=2))
    text = Page(browser("lee").get("/connections")).text
    github = text[text.index("github github") : text.index("mail email")]
    assert "Deliveries are stored and not processed until" in github
    assert "--connection github --status captured" in github


def test_a_connection_that_is_left_alone_says_so_and_can_be_tried(
    seeded: Seeded, browser: Browser
) -> None:
    from hub.flow import connections
    from hub.store import circuits

    with seeded.hub.unit() as unit:
        connections.note_trouble(unit, "github", "It answered 502.", times=5)
    client = browser("lee")
    page = Page(client.get("/connections"))
    assert "Not called until" in page.text
    assert "Left alone" in page.text
    form = page.form("/github/resume")
    client.post(form.action, data=form.values)
    with seeded.hub.database.read() as tx:
        assert circuits.circuits(tx)["github"].state == "closed"
    assert "Left alone" not in Page(client.get("/connections")).text


def test_a_connection_is_resumed_and_paused_by_operators(seeded: Seeded, browser: Browser) -> None:
    client = browser("lee")
    form = Page(client.get("/connections")).form("/crm/resume")
    assert client.post(form.action, data=form.values).status_code == 303
    pause = Page(client.get("/connections")).form("/crm/pause")
    client.post(pause.action, data=pause.values)
    with seeded.hub.database.read() as tx:
        state = running.connection_states(tx)["crm"]
    assert (state["status"], state["reason"]) == ("paused", "Paused by Lee Kim.")
    assert client.post("/connections/nothing/resume", data=form.values).status_code == 404


def test_a_connections_page_shows_its_fields_and_what_became_of_them(
    seeded: Seeded, browser: Browser
) -> None:
    client = browser("sam", role="member")
    assert "No fields are known yet" in Page(client.get("/connections/github")).text
    now = seeded.hub.clock()
    title = Field("title", "string", label="Title of it", required=True)
    late = Field("late", "boolean", writable=False)
    changes = [{"at": now.isoformat(), "field": "late", "what": "is new"}]
    document = {
        "now": plain({"title": title, "late": late}),
        "before": plain({"title": title}),
        "changes": changes,
    }
    with seeded.hub.database.write() as tx:
        schemas.keep(tx, [("github", "issue")], now)
        schemas.write(tx, "github", "issue", {"fields": document, "seen_at": now})
    text = Page(client.get("/connections/github")).text
    for part in (
        "Fields of issue",
        "Title of it",
        "string, required",
        "late is new",
        "late boolean",
    ):
        assert part in text
    assert client.get("/connections/nothing").status_code == 404
    assert "/connections/github" in Page(client.get("/connections")).hrefs()


def test_a_member_sees_connections_without_buttons(seeded: Seeded, browser: Browser) -> None:
    client = browser("sam", role="member")
    page = Page(client.get("/connections"))
    assert not page.has_form("/crm/")
    values = page.form("/sign-out").values
    assert client.post("/connections/crm/resume", data=values).status_code == 403


# ------------------------------------------------------------------------------------------ tasks


def test_tasks_are_narrowed(seeded: Seeded, browser: Browser) -> None:
    client = browser("lee")

    def titles(query: str) -> set[str]:
        page = Page(client.get(f"/tasks?{query}"))
        return set(_TITLES.findall(page.text))

    assert titles("mine=1&status=open") == {"Sign the contract with Lakeside Clinic "}
    assert titles("overdue=1") == {
        "Set up billing for Kiosk am Eck ",
        "Send us your registration documents ",
    }
    assert titles("connection=github&status=open") == {"Sign the contract with Lakeside Clinic "}
    assert "No task fits" in Page(client.get("/tasks?q=nothing+like+it")).text

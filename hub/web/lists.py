"""Pages of exceptions, connections and tasks, with the buttons that belong to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.engine import Connection, RowMapping

from hub.flow import connections as flow
from hub.identity import Caller
from hub.process import exceptions as ending
from hub.process.answers import Refused
from hub.process.exceptions import Choice
from hub.store import exceptions, overview, running, work
from hub.store.work import WorkFilter
from hub.web import words
from hub.web.board import People, Person
from hub.web.connection_cards import cards
from hub.web.site import Site, Stop, Typed, When, first, typed

_SEVERITIES = ("critical", "high", "normal", "low")
_SHOWN = 300
_RETRYABLE = {
    "push_failed", "push_unknown", "unparseable", "mapping_error", "unmapped_value", "validation",
    "connection", "loop",
}  # fmt: skip
NOTES = {
    "resolve": "Resolved. Thank you.",
    "waive": "Waived: it stays as it is, with your reason beside it.",
    "retry": "It is being tried again; if it fails again, it comes back here.",
    "resume": "Resumed. What waited goes on now.",
    "pause": "Paused. What comes and goes meanwhile waits; nothing is lost.",
}


@dataclass(frozen=True, slots=True)
class ExceptionView:
    """One exception on the page."""

    id: str
    type: str
    severity: str
    title: str
    detail: str
    owner: Person | None
    opened: When
    times: int
    case: str
    retryable: bool
    conflict: Mapping[str, str] | None
    candidates: Sequence[Mapping[str, str]]
    """What a possible duplicate may be."""
    asks: Mapping[str, str] | None
    """The person whom nobody knows, where it asks who that is."""


@dataclass(frozen=True, slots=True)
class TaskLine:
    """One task on the page."""

    title: str
    status: str
    assignee: Person | None
    due: When
    waiting_on: str
    case: str
    links: Sequence[Mapping[str, Any]]


def add_lists(router: APIRouter, site: Site) -> None:
    """Routes of exceptions, connections and tasks."""
    hub = site.hub

    def exceptions_page(
        caller: Caller, *, status: int = 200, note: str = "", problem: str = "", mine: bool = False
    ) -> Response:
        owner = caller.party["id"] if mine and caller.party else None
        with hub.database.read() as tx:
            rows = exceptions.list_exceptions(tx, owner=owner, limit=_SHOWN)
            views = _exceptions(site, tx, rows)
        return site.page(
            "exceptions.html", caller, status=status, nav="exceptions", exceptions=views,
            everybody=_everybody(site) if any(one.asks for one in views) else (),
            note=note, problem=problem, mine=mine, full=len(rows) == _SHOWN,
        )  # fmt: skip

    @router.get("/exceptions")
    def list_exceptions(request: Request, done: str = "", mine: str = "") -> Response:
        caller = site.caller(request)
        return exceptions_page(caller, note=NOTES.get(done, ""), mine=bool(mine))

    @router.post("/exceptions/{id}/{action}")
    def end_exception(
        request: Request, id: str, action: str, sent: Annotated[Typed, Depends(typed)]
    ) -> Response:
        caller = _member(site.acting(request, sent))
        comment, choose = first(sent, "comment") or None, first(sent, "choose")
        stage = None
        try:
            with hub.unit() as unit:
                match action:
                    case "resolve":
                        choice = Choice(choose) if choose else None
                        ending.resolve(
                            unit, id, caller.actor(), comment=comment, choice=choice,
                            person=first(sent, "person") or None,
                            account=first(sent, "account").strip() or None,
                        )  # fmt: skip
                    case "waive":
                        if not comment:
                            raise Refused(
                                "comment_required", "Say why this may stay as it is.", 422
                            )
                        ending.waive(unit, id, caller.actor(), comment)
                    case "retry":
                        stage = ending.retry(unit, id, caller.actor(), comment=comment)
                    case _:
                        raise Stop(404, "There is no such button", "Nothing was changed.")
        except Refused as refused:
            return exceptions_page(caller, status=refused.status, problem=_plain(refused))
        except LookupError as error:
            raise Stop(404, "There is no such exception", str(error)) from error
        if stage:
            hub.wake(stage)
        return RedirectResponse(f"/exceptions?done={action}", 303)

    @router.get("/connections")
    def list_connections(request: Request, done: str = "") -> Response:
        caller = site.caller(request)
        with hub.database.read() as tx:
            views = cards(site, tx)
        return site.page(
            "connections.html", caller, nav="connections", connections=views,
            note=NOTES.get(done, ""), may=caller.may("operator"),
        )  # fmt: skip

    @router.post("/connections/{name}/{action}")
    def steer_connection(
        request: Request, name: str, action: str, sent: Annotated[Typed, Depends(typed)]
    ) -> Response:
        caller = site.acting(request, sent)
        if not caller.may("operator"):
            raise Stop(403, "This is for operators", "Ask somebody who runs the hub.")
        with hub.unit() as unit, unit.acting(caller.actor()):
            if name not in running.connection_states(unit.tx):
                raise Stop(404, "There is no such connection", f"Nothing is called {name}.")
            if action == "resume":
                flow.resume(unit, name)
            elif action == "pause":
                flow.pause(unit, name, f"Paused by {caller.actor()['name']}.")
            else:
                raise Stop(404, "There is no such button", "Nothing was changed.")
        hub.wake("deliver")
        return RedirectResponse(f"/connections?done={action}", 303)

    @router.get("/tasks")
    def list_tasks(
        request: Request,
        mine: str = "",
        overdue: str = "",
        connection: str = "",
        status: str = "",
        q: str = "",
    ) -> Response:
        caller = site.caller(request)
        me = caller.party["id"] if caller.party else None
        text = q.strip().replace("\x00", "")[:200]
        narrow = WorkFilter(
            assignee=(me or "nobody") if mine else None,
            overdue=True if overdue else None,
            connection=connection or None,
            status=status or None,
            q=text or None,
        )
        with hub.database.read() as tx:
            rows = work.search(tx, "task", narrow, site.now, limit=_SHOWN)
            lines = _tasks(site, tx, rows)
            known = overview.linked(tx)
        return site.page(
            "tasks.html", caller, nav="tasks", tasks=lines, known=known, full=len(rows) == _SHOWN,
            query={"mine": mine, "overdue": overdue, "connection": connection, "status": status,
                   "q": q},
            statuses=("open", "in_progress", "on_hold", "done", "cancelled"),
        )  # fmt: skip


def _member(caller: Caller) -> Caller:
    if not caller.may("member"):
        raise Stop(403, "This is for people", "An assistant can look at exceptions, not end them.")
    return caller


def _plain(refused: Refused) -> str:
    """Why it was refused, without the words of the API."""
    if refused.code == "choice_required":
        return "Choose one of them first; nothing was changed."
    return str(refused)


def _exceptions(site: Site, tx: Connection, rows: Sequence[RowMapping]) -> list[ExceptionView]:
    """The worst first, and among these the oldest."""
    people = People(tx, (row["owner"] for row in rows))
    subjects = [str(row["subject"]) for row in rows if not row["data"].get("case")]
    of = overview.step_cases(tx, [id for id in subjects if id.startswith("stp_")])
    tasks = work.load(tx, "task", [id for id in subjects if id.startswith("tsk_")])
    of |= {id: task["case_id"] for id, task in tasks.items() if task["case_id"]}

    unknown = People(
        tx, (row["data"]["who"] for row in rows if row["data"].get("direction") == "out"
             and row["data"].get("who")),
    )  # fmt: skip

    def rank(row: RowMapping) -> tuple[int, datetime]:
        severity = row["severity"]
        known = severity in _SEVERITIES
        return _SEVERITIES.index(severity) if known else 2, row["opened_at"]

    return [
        ExceptionView(
            id=row["id"],
            type=row["type"],
            severity=row["severity"],
            title=row["title"],
            detail=row["detail"] or "",
            owner=people.get(row["owner"]),
            opened=site.past(row["opened_at"]),
            times=row["count"],
            case=row["data"].get("case") or of.get(row["subject"] or "", ""),
            retryable=row["type"] in _RETRYABLE,
            conflict=_conflict(row),
            candidates=_candidates(row),
            asks=_asks(row, unknown),
        )
        for row in sorted(rows, key=rank)
    ]


def _everybody(site: Site) -> list[tuple[str, str]]:
    """The workspace's people, by name: id and name."""
    parties = site.hub.live.current().parties.values()
    found = [(str(row["id"]), str(row["name"])) for row in parties if row["active"]]
    return sorted(found, key=lambda one: one[1].casefold())


def _asks(row: RowMapping, parties: People) -> Mapping[str, str] | None:
    """The person whom nobody knows, where an exception asks for that."""
    data = row["data"]
    if row["type"] not in ("unmapped_value", "identity") or not data.get("who"):
        return None
    outward, name = data.get("direction") == "out", str(data["who"])
    known = parties.get(name) if outward else None
    return {
        "name": known.name if known else name,
        "connection": str(data.get("connection")),
        "outward": "yes" if outward else "",
    }


def _conflict(row: RowMapping) -> Mapping[str, str] | None:
    data = row["data"]
    if row["type"] != "sync_conflict" or "field" not in data:
        return None
    return {
        "field": words.label(str(data["field"])),
        "ours": words.value(data.get("ours")),
        "theirs": words.value(data.get("theirs")),
        "connection": str(data.get("connection")),
    }


def _candidates(row: RowMapping) -> list[Mapping[str, str]]:
    if row["type"] != "duplicate":
        return []
    return [
        {
            "id": str(one["id"]),
            "title": str(one["title"]),
            "where": ", ".join(
                f"{link['connection']} {link['external_id']}" for link in one["links"]
            )
            or "only here",
        }
        for one in row["data"].get("candidates", ())
    ]


def _tasks(site: Site, tx: Connection, rows: Sequence[Mapping[str, Any]]) -> list[TaskLine]:
    people = People(tx, (row["assignee"] for row in rows))
    links = work.links_of(tx, [row["id"] for row in rows])
    return [
        TaskLine(
            title=row["title"],
            status=row["status"],
            assignee=people.get(row["assignee"]),
            due=site.due(row["due_by"] if row["status"] not in work.FINISHED else None),
            waiting_on=row["waiting_on"],
            case=row["case_id"] or "",
            links=links.get(row["id"], []),
        )
        for row in rows
    ]

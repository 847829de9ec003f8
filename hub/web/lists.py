"""Pages of exceptions, connections and tasks, with the buttons that belong to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.engine import Connection, RowMapping

from connectors.sdk import ConnectorError
from hub.flow import connections as flow
from hub.flow.proving import proving
from hub.identity import Caller
from hub.process import exceptions as ending
from hub.process.answers import Refused
from hub.process.exceptions import Choice
from hub.refusals import in_a_line, remedy
from hub.store import delivered, exceptions, notices, overview, running, work
from hub.store.overview import Depth
from hub.store.work import WorkFilter
from hub.web import words
from hub.web.board import People, Person
from hub.web.site import Site, Stop, Typed, When, first, typed, unsigned

_SEVERITIES = ("critical", "high", "normal", "low")
_SHOWN = 300
_RETRYABLE = {
    "push_failed", "push_unknown", "unparseable", "mapping_error", "unmapped_value", "validation",
    "connection",
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


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """One connection on the page."""

    name: str
    connector: str
    state: str
    reason: str
    last_error: str
    failures: int
    last_ok: When
    takes: bool
    """Whether it takes webhooks."""
    last_delivery: When
    captures: bool
    captures_until: str
    pulled: str
    pulled_exact: str
    depth: Depth
    unsigned: bool
    configured: bool
    refused: str
    refused_at: When


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
                        choice = Choice(choose) if choose in ("ours", "theirs") else None
                        ending.resolve(unit, id, caller.actor(), comment=comment, choice=choice)
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
            views = _connections(site, tx)
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
        return "Choose which value holds first; nothing was changed."
    return str(refused)


def _exceptions(site: Site, tx: Connection, rows: Sequence[RowMapping]) -> list[ExceptionView]:
    """The worst first, and among these the oldest."""
    people = People(tx, (row["owner"] for row in rows))
    subjects = [str(row["subject"]) for row in rows if not row["data"].get("case")]
    of = overview.step_cases(tx, [id for id in subjects if id.startswith("stp_")])
    tasks = work.load(tx, "task", [id for id in subjects if id.startswith("tsk_")])
    of |= {id: task["case_id"] for id, task in tasks.items() if task["case_id"]}

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
        )
        for row in sorted(rows, key=rank)
    ]


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


def _connections(site: Site, tx: Connection) -> list[ConnectionView]:
    snapshot = site.snapshot()
    specs = snapshot.workspace.connections if snapshot else {}
    states, depths, bare = running.connection_states(tx), overview.depths(tx), unsigned(snapshot)
    capturing = set(flow.capturing(tx, snapshot)) if snapshot else set()
    until, delivered_at = running.capture_until(tx), delivered.last_received(tx, specs)
    refused = {one.connection: one.last_at for one in reversed(notices.counts(tx, None, "refused"))}
    pulled: dict[str, list[datetime | None]] = {}
    for cursor in running.all_cursors(tx):
        pulled.setdefault(cursor["connection"], []).append(cursor["pulled_at"])
    views = []
    for name in sorted({*specs, *states}):
        state = states.get(name) or {}
        status = str(state.get("status") or "active")
        problem = ""
        if snapshot and name in specs:
            try:
                snapshot.connector(name)
            except ConnectorError as error:
                problem = str(error)
        failures = int(state.get("failures") or 0)
        oldest = min((one for one in pulled.get(name, ()) if one), default=None)
        views.append(
            ConnectionView(
                name=name,
                connector=specs[name].connector if name in specs else "",
                state="paused" if status == "paused" else "failing" if failures or problem else
                      "active" if name in specs else "gone",
                reason=str(state.get("reason") or problem),
                last_error=str(state.get("last_error") or ""),
                failures=failures,
                last_ok=site.past(state.get("last_ok_at")),
                takes=snapshot is not None and name in specs
                      and proving(snapshot, name) != "not taken",
                last_delivery=site.past(delivered_at.get(name)),
                captures=name in capturing,
                captures_until=words.exact(until.get(name), site.calendar().timezone),
                pulled=words.span(site.now - oldest) if oldest else "",
                pulled_exact=words.exact(oldest, site.calendar().timezone),
                depth=depths.get(name, Depth()),
                unsigned=name in bare,
                configured=name in specs,
                refused=_refused(tx, name),
                refused_at=site.past(refused.get(name)),
            )
        )  # fmt: skip
    return views


def _refused(tx: Connection, name: str) -> str:
    """Why the last refused delivery was refused, and what to do; empty where none was."""
    row = next(iter(notices.of(tx, name, outcome="refused", limit=1)), None)
    return f"{in_a_line(row)}. {remedy(name, row)}".strip() if row else ""


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

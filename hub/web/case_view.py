"""One case as its page shows it: the flow of its steps with everything that belongs to each, its
links into the tools, what is wrong, and what happened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection, RowMapping

from hub.identity import Caller
from hub.live import Snapshot
from hub.participants.forms import shown
from hub.process import ball, bringing, clock_view, evidence
from hub.process.advance import with_element
from hub.process.by_hand import BY_HAND
from hub.process.forecast import forecast_of, length
from hub.process.model import ProcessDefinition, StepDefinition
from hub.process.running_case import answered, definition_of
from hub.store import cases, exceptions, held, overview, work
from hub.store import seats as seat_store
from hub.web import words
from hub.web.board import People, process_title, progress, state_of
from hub.web.case_model import (
    CaseView,
    CommentView,
    DecisionView,
    Facts,
    HandoffView,
    Happening,
    ItemView,
    LinkView,
    StepView,
    TroubleView,
    UndoView,
)
from hub.web.decision_view import panel
from hub.web.sentences import handle, ids_of, sentence, told_elsewhere
from hub.web.site import Site
from mappings.expressions import Context, ExpressionError, context

Row = Mapping[str, Any]
_EVENTS = 60
_ALL_EVENTS = 2000


def case_view(
    site: Site, tx: Connection, id: str, caller: Caller, *, everything: bool = False
) -> CaseView | None:
    """A case for its page; None if there is none. `everything` shows the whole timeline."""
    case = cases.load(tx, [id]).get(id)
    if case is None:
        return None
    return _Reading(site, tx, case, caller).view(everything)


class _Reading:
    """What one page reads of one case, at once."""

    def __init__(self, site: Site, tx: Connection, case: Row, caller: Caller) -> None:
        self.site, self.tx, self.case, self.caller = site, tx, case, caller
        self.snapshot: Snapshot | None = site.snapshot()
        id = case["id"]
        self.definition: ProcessDefinition = definition_of(tx, case["process_version"])
        order = {key: number for number, key in enumerate(self.definition.steps)}
        self.steps = sorted(
            cases.steps_of(tx, [id])[id],
            key=lambda step: (order.get(step["key"], len(order)), step["run"]),
        )
        self.stretches = held.of(tx, [id])
        self.tasks = work.load(tx, "task", [s["task"] for s in self.steps if s["task"]])
        self.beside = work.beside_steps(tx, [id]).get(id, [])
        whole = case["parent_case"]
        self.parent = cases.load(tx, [whole]).get(whole) if whole else None
        self.items = work.load(tx, "item", cases.items_of(tx, [id]).get(id, []))
        self.decisions = {row["id"]: row for row in cases.list_decisions(tx, case=id, limit=500)}
        self.seats = seat_store.of(tx, list(self.decisions))
        self.handoffs = {row["id"]: row for row in cases.handoffs_of(tx, id)}
        self.comments = {task: work.comments_of(tx, task) for task in self.tasks}
        said = [row["id"] for rows in self.comments.values() for row in rows]
        self.links = work.links_of(
            tx,
            [*self.tasks, *self.items, *said, *(one["id"] for one in self.beside)],
            briefly=True,
        )

    def view(self, everything: bool) -> CaseView:
        case, site = self.case, self.site
        limit = _ALL_EVENTS if everything else _EVENTS
        # comments are events of their own subject; the rest is found by the case
        about = [*self.tasks, *self.items]
        events: Sequence[Any] = overview.timeline(self.tx, case["id"], about, limit=limit + 1)
        self.people = People(self.tx, self._party_ids(events[:limit]))
        done, total = progress(self.steps)
        return CaseView(
            id=case["id"],
            title=case["title"],
            process=process_title(self.snapshot, case["process"]),
            key=case["key"] or "",
            state=state_of(case),
            status=case["status"],
            outcome=case["outcome"] or "",
            accountable=self.people.get(case["accountable"]),
            stands_in=self._stand_in(case["accountable"]),
            started_by=str(case["started_by"].get("name") or case["started_by"].get("id") or ""),
            started=site.past(case["started_at"]),
            completed=site.past(case["completed_at"]) if case["completed_at"] else site.due(None),
            due=site.due(case["due_by"] if case["status"] in cases.RUNNING else None),
            done=done,
            total=total,
            steps=tuple(self._step(step) for step in self.steps),
            items=tuple(self._item(item) for item in self.items.values()),
            data=self._data(),
            beside=tuple(
                UndoView(
                    task["title"],
                    task["status"],
                    self.people.get(task["assignee"]),
                    self._links(task["id"]),
                )
                for task in self.beside
            ),
            parent=(self.parent["id"], self.parent["title"]) if self.parent else None,
            steers=case["status"] in cases.RUNNING and self._steers(),
            troubles=self._troubles(),
            timeline=self._timeline(events[:limit], everything),
            more=not everything,
        )

    def _party_ids(self, events: Sequence[Row]) -> set[str]:
        wanted = {self.case["accountable"], *(one["assignee"] for one in self.beside)}
        for step in self.steps:
            wanted |= {step["responsible"], step["accountable"]}
        for decision in self.decisions.values():
            wanted |= {decision["decider"], decision["decided_by"], decision["on_behalf_of"]}
        for seat in (seat for each in self.seats.values() for seat in each):
            wanted |= {seat["party"], seat["on_behalf_of"], seat["given_by"]}
        for handoff in self.handoffs.values():
            wanted |= {handoff["from_party"], handoff["to_party"]}
        wanted |= {row["author"] for rows in self.comments.values() for row in rows}
        wanted |= {id for event in events for id in ids_of(event) if id.startswith("pty_")}
        return {id for id in wanted if id}

    # -------------------------------------------------------------------------------- steps

    def _step(self, step: Row) -> StepView:
        site, wanted = self.site, self.definition.steps.get(step["key"])
        active = step["status"] == "active" and self.case["status"] in cases.RUNNING
        planned = ""
        waits_for: tuple[str, ...] = ()
        if step["status"] == "available" and wanted is not None:
            planned, waits_for = self._plan(wanted)
        answers = answered(self.case, step) if step["form"] else None
        return StepView(
            id=step["id"],
            key=step["key"],
            run=step["run"],
            type=step["type"],
            title=self._title(step),
            delivers=step["delivers"] or "",
            state="blocked" if step["blocked"] else step["status"],
            responsible=self.people.get(step["responsible"]),
            planned=planned,
            accountable=self.people.get(step["accountable"]),
            stands_in=self._stand_in(step["responsible"] if active else None),
            waits_for=waits_for,
            waiting_on=step["waiting_on"],
            due=site.due(step["due_by"] if active else None),
            clock=self._clock(step) if active else "",
            had=self._had(step),
            started=site.past(step["started_at"]) if step["started_at"] else site.due(None),
            completed=site.past(step["completed_at"]) if step["completed_at"] else site.due(None),
            outcome=step["outcome"] or "",
            task=step["task"] or "",
            mark=self._mark(step),
            part=step["subcase"] or "",
            by_hand=active and step["type"] in BY_HAND and self._steers(),
            links=self._links(step["task"]),
            answers=_facts(shown(step["form"], answers)) if step["status"] == "completed" else (),
            decision=self._decision(step, wanted),
            handoff=self._handoff(step),
            comments=tuple(self._comment(row) for row in self.comments.get(step["task"], ())),
        )

    def _mark(self, step: Row) -> str:
        """Which of the runs of a step it is, where there are several."""
        again = f"round {step['round']}" if step["round"] > 1 else ""
        if step["each_index"] is None:
            return f"run {step['run']}" if again else ""
        runs = [
            one for one in self.steps if (one["key"], one["round"]) == (step["key"], step["round"])
        ]
        return ", ".join(filter(None, (f"{step['each_index'] + 1} of {len(runs)}", again)))

    def _steers(self) -> bool:
        return self.caller.role != "assistant" and (
            self.caller.party is not None or self.caller.may("operator")
        )

    def _clock(self, step: Row) -> str:
        """What there is to say about the time of an open step."""
        takes = clock_view.takes(forecast_of(self.tx, self.case["process"], step["key"]))
        if step["paused_at"]:
            takes = clock_view.stands(step)
        return f"Likely late. {takes}" if step["at_risk"] else takes

    def _had(self, step: Row) -> str:
        """With whom a step lay for how long, where that was more than one of us."""
        if step["started_at"] is None:
            return ""
        ended = step["completed_at"] or self.case["completed_at"] or self.site.now
        told = ball.parts(self.stretches.get(step["id"], ()), step["started_at"], ended)
        sides = [(side, told[side]) for side in ball.SIDES if told[side] >= 60]
        if [side for side, _ in sides] in ([], ["internal"]):
            return ""
        words_for = {"internal": "us", "external": "somebody outside", "system": "systems"}
        return "Lay with " + ", ".join(
            f"{words_for[side]} for {length(seconds, 'elapsed')}" for side, seconds in sides
        )

    def _title(self, step: Row) -> str:
        """A step's title; of one that has not begun, what it would be now."""
        wanted = self.definition.steps.get(step["key"])
        if step["status"] != "available" or wanted is None:
            return str(step["title"])
        try:
            sees = with_element(self._context(), step["element"], step["each_index"])
            return str(wanted.title.render(sees))
        except ExpressionError:
            return words.label(step["key"])

    def _context(self) -> Context:
        case = self.case
        seen = {name: case[name] for name in ("id", "title", "key", "status", "data")}
        return context({"case": seen, "item": next(iter(self.items.values()), {})})

    def _plan(self, wanted: StepDefinition) -> tuple[str, tuple[str, ...]]:
        """Who will have a step that has not begun, and which steps it waits for."""
        who = wanted.decider or wanted.responsible
        planned = ""
        if who is not None and who.kind in ("person", "role"):
            people = self.snapshot.workspace.people if self.snapshot else {}
            known = people.get(who.name)
            planned = known.name if known else f"somebody of {words.label(who.name).lower()}"
        elif who is not None:
            planned = {"external": "somebody outside"}.get(who.kind, f"whoever is {who.kind}")
        over = {s["key"] for s in self.steps if s["status"] in ("completed", "skipped")}
        titles = {step["key"]: self._title(step) for step in self.steps}
        return planned, tuple(titles.get(key, key) for key in wanted.after if key not in over)

    def _links(self, entity: str | None) -> tuple[LinkView, ...]:
        return tuple(
            LinkView(
                link["connection"],
                link["object"],
                link["external_id"],
                link["url"] or "",
                link["remote_deleted"],
            )
            for link in self.links.get(entity or "", ())
        )

    def _comment(self, row: RowMapping) -> CommentView:
        return CommentView(
            self.people.get(row["author"]),
            row["body"],
            row["visibility"] == "public",
            self.site.past(row["created_at"]),
            tuple(
                link["connection"]
                for link in self.links.get(row["id"], ())
                if link["remote_deleted"]
            ),
        )

    def _brings(self, row: RowMapping) -> Facts:
        """What comes with a handoff, beside what the page shows of the step anyway."""
        return tuple(bringing.lines(bringing.brings(self.tx, [dict(row)])[row["id"]], row["note"]))

    def _handoff(self, step: Row) -> HandoffView | None:
        row = self.handoffs.get(step["handoff"] or "")
        if row is None:
            return None
        me = self.caller.party
        return HandoffView(
            id=row["id"],
            to=self.people.get(row["to_party"]),
            by=self.people.get(row["from_party"]),
            status=row["status"],
            note=row["note"] or "",
            brings=self._brings(row) if row["status"] in ("offered", "expired") else (),
            offered=self.site.past(row["offered_at"]),
            mine=row["status"] in ("offered", "expired")
            and not row["closed"]
            and step["status"] == "active"
            and me is not None
            and self._stands_for(me, row["to_party"]),
        )

    def _stand_in(self, party: str | None) -> str:
        """Who stands in for somebody who is away, in words: `Lee Kim stands in until 3 Jan`."""
        if self.snapshot is None or party is None or self.case["status"] not in cases.RUNNING:
            return ""
        now = self.site.hub.clock()
        stands = self.snapshot.presence.stands(party, now)
        if stands.standing == "present":
            return ""
        acting = self.snapshot.people_by_id.get(stands.acting or "")
        until = f" until {words.day(stands.until, now.date())}" if stands.until else ""
        if acting is None:
            return f"away{until}, and nobody stands in"
        return f"{acting['name']} stands in{until}"

    def _stands_for(self, me: Row, party: str) -> bool:
        if me["id"] == party or self.snapshot is None:
            return bool(me["id"] == party)
        return self.snapshot.stands_in(party, me["id"], self.site.hub.clock())

    def _decision(self, step: Row, wanted: StepDefinition | None) -> DecisionView | None:
        row = self.decisions.get(step["decision"] or "")
        if row is None:
            return None
        open_ = row["outcome"] in (None, "expired") and step["status"] == "active"
        known = evidence.gather(self.tx, self.case) if open_ else row["evidence"]
        hash = cases.evidence_hash(known) if open_ else row["evidence_hash"]
        around = panel(
            self.site,
            self.snapshot,
            self.people,
            {**row, "evidence_hash": hash},
            self.seats[row["id"]],
            wanted,
            step,
            self.caller.party,
            open_=open_,
        )
        return DecisionView(
            id=row["id"],
            question=row["question"],
            options=tuple(row["options"]),
            outcome=row["outcome"] or "",
            decider=self.people.get(row["decider"]),
            decided_by=self.people.get(row["decided_by"]),
            on_behalf_of=self.people.get(row["on_behalf_of"]),
            decided=self.site.past(row["decided_at"]) if row["decided_at"] else self.site.due(None),
            comment=row["comment"] or "",
            evidence=_evidence(known, self._forms()),
            evidence_hash=hash,
            open=open_,
            barred=around.barred,
            panel=around,
        )

    def _forms(self) -> dict[str, tuple[str, Row]]:
        """Title and form of the steps that have one, by key: answers stand under it in the data."""
        return {step["key"]: (step["title"], step["form"]) for step in self.steps if step["form"]}

    # ------------------------------------------------------------------------- beside the steps

    def _item(self, item: Row) -> ItemView:
        return ItemView(
            item["title"],
            words.label(item["kind"] or "item"),
            item["stage"] or "",
            words.amount(item["amount"]),
            self._links(item["id"]),
        )

    def _data(self) -> Facts:
        """What the case knows beside the answers, which stand with their steps."""
        keys = {step["key"] for step in self.steps if step["form"]}
        return _facts(
            (words.label(name), value)
            for name, value in self.case["data"].items()
            if name not in keys
        )

    def _troubles(self) -> tuple[TroubleView, ...]:
        subjects = {self.case["id"], *self.tasks, *self.items, *self.decisions, *self.handoffs}
        subjects |= {step["id"] for step in self.steps}
        return tuple(
            TroubleView(
                row["id"],
                row["title"],
                row["detail"] or "",
                row["severity"],
                self.site.past(row["opened_at"]),
            )
            for row in exceptions.list_exceptions(self.tx, limit=500)
            if row["data"].get("case") == self.case["id"] or row["subject"] in subjects
        )

    def _timeline(self, events: Sequence[Row], everything: bool) -> tuple[Happening, ...]:
        names = self.people.names()
        names |= {step["id"]: step["title"] for step in self.steps}
        names |= {id: row["title"] for id, row in (*self.tasks.items(), *self.items.items())}
        names |= {id: row["question"] for id, row in self.decisions.items()}
        titles = {step["id"]: step["title"] for step in self.steps}
        names |= {id: titles.get(row["step_id"], "") for id, row in self.handoffs.items()}
        names[self.case["id"]] = self.case["title"]
        told = {event["subject"] for event in events if event["type"].startswith("exception.")}
        names |= overview.exception_titles(self.tx, told)
        names |= self._handles(events)
        aside = set() if everything else told_elsewhere(events)
        return tuple(
            Happening(sentence(event, names), self.site.past(event["time"]))
            for event in events
            if event["id"] not in aside
        )

    def _handles(self, events: Sequence[Row]) -> dict[str, str]:
        """Our names of whoever did something in a tool, by the tool's names of them."""
        found: dict[str, str] = {}
        for event in events:
            actor = event["actor"]
            if self.snapshot and actor.get("kind") == "connector" and actor.get("name"):
                id = self.snapshot.party_for(str(actor["id"]), str(actor["name"]))
                key = self.snapshot.person_key(id) if id else None
                if key:
                    found[handle(event)] = self.snapshot.parties[key]["name"]
        return found


def _facts(pairs: Any) -> Facts:
    return tuple((str(label), words.value(value)) for label, value in pairs)


def _evidence(known: Row, forms: Mapping[str, tuple[str, Row]]) -> tuple[tuple[str, Facts], ...]:
    """What a decision rests on, in groups."""
    data = (known.get("case") or {}).get("data") or {}
    plain = ((words.label(name), value) for name, value in data.items() if name not in forms)
    groups: list[tuple[str, Facts]] = [("The case", _facts(plain))]
    for key, (title, form) in forms.items():
        if key in data:
            groups.append((f"Answers: {title}", _facts(shown(form, data[key]))))
    for item in known.get("items") or ():
        title = f"{words.label(item.get('kind') or 'item')}: {item.get('title')}"
        pairs = [("Stage", item.get("stage")), ("Amount", words.amount(item.get("amount")))]
        pairs += [(words.label(name), one) for name, one in (item.get("custom") or {}).items()]
        groups.append((title, _facts((name, one) for name, one in pairs if one not in (None, ""))))
    steps = [
        (step.get("title"), words.label(step.get("outcome") or step.get("status")))
        for step in known.get("steps") or ()
    ]
    groups.append(("Done before", _facts(steps)))
    return tuple((title, facts) for title, facts in groups if facts)

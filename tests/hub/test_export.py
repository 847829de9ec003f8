"""The exported log: it keeps the format's published schema, and another tool computes from it what
our own figures say.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from jsonschema import Draft7Validator

from hub.export import write
from hub.process.figures import measure
from hub.store import events
from hub.store.database import Database
from hub.store.events import EventDraft
from hub.store.tables import cases, decisions, parties, steps

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HUB = {"kind": "system", "id": "hub", "name": "Hub"}
TEXT = {"type": "string"}
MOMENT = {"type": "string", "format": "date-time"}


def listed(required: list[str], **properties: Any) -> dict[str, Any]:
    one = {"type": "object", "properties": properties, "required": required}
    return {"type": "array", "items": one}


DECLARED = listed(["name", "attributes"], name=TEXT, attributes=listed(["name", "type"], name=TEXT,
                  type={"enum": ["string", "time", "integer", "float", "boolean"]}))  # fmt: skip
RELATED = listed(["objectId", "qualifier"], objectId=TEXT, qualifier=TEXT)
# what https://www.ocel-standard.org/2.0/ocel20-schema-json.json asks for
SCHEMA = {
    "type": "object",
    "required": ["eventTypes", "objectTypes", "events", "objects"],
    "properties": {
        "eventTypes": DECLARED,
        "objectTypes": DECLARED,
        "events": listed(
            ["id", "type", "time"], id=TEXT, type=TEXT, time=MOMENT, relationships=RELATED,
            attributes=listed(["name", "value"], name=TEXT, value=TEXT),
        ),
        "objects": listed(
            ["id", "type"], id=TEXT, type=TEXT, relationships=RELATED,
            attributes=listed(["name", "value", "time"], name=TEXT, value=TEXT, time=MOMENT),
        ),
    },
}  # fmt: skip


class History:
    """Cases of two steps: some are sent back once, some are ended by a refusal, some still run."""

    def __init__(self, database: Database, count: int) -> None:
        self.chance = random.Random(7)
        self.cases: list[dict[str, Any]] = []
        self.steps: list[dict[str, Any]] = []
        self.drafts: list[tuple[datetime, EventDraft]] = []
        self.decided: list[dict[str, Any]] = []
        for number in range(count):
            self.case(number)
        person = {"id": "pty_1", "kind": "person", "side": "internal", "name": "Dana",
                  "created_at": START}  # fmt: skip
        with database.write() as tx:
            tx.execute(sa.insert(parties), [person])
            tx.execute(sa.insert(cases), self.cases)
            tx.execute(sa.insert(steps), self.steps)
            tx.execute(sa.insert(decisions), self.decided)
            for at, draft in sorted(self.drafts, key=lambda one: one[0]):
                events.append(tx, [draft], at)

    def case(self, number: int) -> None:
        id, began = f"cas_{number:04}", START + timedelta(minutes=number)
        now = self.step(id, "papers", 1, began)
        fate = self.chance.choice(["approved", "approved", "again", "rejected", "runs"])
        if fate == "again":
            now = self.decide(id, 1, now, "again")
            now = self.step(id, "papers", 2, now)
            now = self.decide(id, 2, now, "approved")
        elif fate != "runs":
            now = self.decide(id, 1, now, fate)
        status = {"runs": "active", "rejected": "terminated"}.get(fate, "completed")
        self.cases.append({
            "id": id, "version": 1, "process": "p", "process_version": "v", "title": f"Ü {number}",
            "status": status, "health": "on_track", "accountable": "pty_1", "data": {},
            "started_by": HUB, "started_at": began, "updated_at": now, "key": None,
            "completed_at": None if fate == "runs" else now,
        })  # fmt: skip
        self.tell(began, "case.started", id, id)
        if fate != "runs":
            self.tell(now, f"case.{status}", id, id)

    def step(self, case: str, key: str, run: int, at: datetime, **more: Any) -> datetime:
        id = f"{case}_{key}_{run}"
        ended = at + timedelta(seconds=self.chance.randrange(60, 500_000), milliseconds=run)
        self.steps.append({
            "id": id, "case_id": case, "key": key, "run": run, "type": "task", "title": key,
            "status": "completed", "accountable": "pty_1", "waiting_on": "internal",
            "started_at": at, "completed_at": ended, **more,
        })  # fmt: skip
        self.tell(at, "step.activated", id, case)
        self.tell(ended, "step.completed", id, case)
        return ended

    def decide(self, case: str, run: int, at: datetime, outcome: str) -> datetime:
        ended = self.step(case, "credit", run, at, type="decision")
        step = f"{case}_credit_{run}"
        self.decided.append({
            "id": f"dec_{step}", "case_id": case, "step_id": step, "run": run, "question": "?",
            "options": [], "exclude": [], "evidence": {}, "evidence_hash": "0", "outcome": outcome,
            "decided_by": "pty_1", "decided_by_kind": "person", "created_at": at,
            "decided_at": ended,
        })  # fmt: skip
        self.tell(ended, "decision.made", f"dec_{step}", case)
        return ended

    def tell(self, at: datetime, type: str, subject: str, case: str) -> None:
        self.drafts.append((at, EventDraft(type, subject, HUB, case=case)))


@pytest.fixture
def exported(database: Database, tmp_path: Path) -> Path:
    History(database, 300)
    file = tmp_path / "log.json"
    with database.read() as tx, file.open("w", encoding="utf-8") as out:
        write(tx, out)
    return file


def test_the_export_keeps_the_published_schema(exported: Path) -> None:
    log = json.loads(exported.read_text(encoding="utf-8"))
    assert list(Draft7Validator(SCHEMA).iter_errors(log)) == []
    assert {one["type"] for one in log["objects"]} == {"party", "case", "step", "decision"}
    ids = {one["id"] for one in log["objects"]}
    assert len(ids) == len(log["objects"])
    for one in (*log["objects"], *log["events"]):
        assert {related["objectId"] for related in one["relationships"]} <= ids


def test_the_export_tells_what_became_of_an_object(exported: Path) -> None:
    log = json.loads(exported.read_text(encoding="utf-8"))
    case = next(
        one for one in log["objects"]
        if one["type"] == "case" and {"terminated"} <= {a["value"] for a in one["attributes"]}
    )  # fmt: skip
    became = [one for one in case["attributes"] if one["name"] == "status"]
    assert [one["value"] for one in became] == ["active", "terminated"]
    assert became[0]["time"] < became[1]["time"]


MINING = """
import json, sys
import pm4py
log = pm4py.read_ocel2_json(sys.argv[1])
def took(kind, first, last):
    flat = pm4py.ocel_flattening(log, kind)
    begun, ended = (
        flat[flat["concept:name"] == name].groupby("case:concept:name")["time:timestamp"]
        for name in (first, last)
    )
    return (ended.max() - begun.min()).dropna().dt.total_seconds()
keys = log.objects[log.objects["ocel:type"] == "step"].set_index("ocel:oid")["key"]
steps = took("step", "step.activated", "step.completed")
print("FOUND" + json.dumps({
    "case": sorted(took("case", "case.started", "case.completed")),
    **{key: sorted(some) for key, some in steps.groupby(keys)},
}))
"""


def test_another_tool_computes_the_same_cycle_times(exported: Path, database: Database) -> None:
    """pm4py, which is not ours to ship (AGPL): PM4PY_PYTHON names a Python that has it."""
    python = os.environ.get("PM4PY_PYTHON", sys.executable)
    looked = subprocess.run([python, "-c", "import pm4py"], capture_output=True, check=False)
    if looked.returncode:
        pytest.skip("pm4py is not installed; PM4PY_PYTHON may name a Python that has it")
    mined = subprocess.run(
        [python, "-W", "ignore", "-c", MINING, str(exported)],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    found = json.loads(mined.stdout.rpartition("FOUND")[2])
    with database.read() as tx:
        ours = measure(tx, "p", START + timedelta(days=90))

    def rank(seconds: list[float], share: float) -> float:
        return round(seconds[max(0, -int(-share * len(seconds) // 1) - 1)], 3)

    assert len(found["case"]) == ours.completed > 100
    assert ours.cycle_time.p50 == rank(found["case"], 0.5)
    assert ours.cycle_time.p90 == rank(found["case"], 0.9)
    for step in ours.steps:
        assert step.cycle_time.p50 == rank(found[step.key], 0.5)
        assert step.cycle_time.p90 == rank(found[step.key], 0.9)

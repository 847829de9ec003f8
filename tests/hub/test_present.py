"""What people see and what rules see is the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from hub import present
from hub.store import work
from hub.store.database import Database

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LINKS = [
    {
        **work.new_link(kind, "one", "crm", "deal", "7", NOW),
        "url": url,
        "remote_version": "2026-03-02T09:00:00Z",
    }
    for kind, url in (("task", None), ("item", "https://crm.test/7"))
]
COMMON = {"id": "one", "version": 3, "title": "Ship it", "url": None, "custom": {"a": [1.5, None]}}
TIMES = {"created_at": NOW, "updated_at": NOW + timedelta(microseconds=7)}
TASK: dict[str, Any] = {
    **COMMON, **TIMES, "description": "In words", "status": "open", "assignee": "pty_known",
    "accountable": "pty_nobody", "requester": None, "waiting_on": "internal", "due": None,
    "start_by": None, "priority": None, "labels": ["b", "a"], "case_id": "cas_1", "step_id": None,
    "completed_at": None,
}  # fmt: skip
ITEM: dict[str, Any] = {
    **COMMON, **TIMES, "kind": "deal", "stage": None, "owner": "pty_known", "amount": None,
    "date": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("task", TASK),
        ("task", TASK | {"due": {"date": "2026-03-05"}, "completed_at": NOW, "priority": "high"}),
        (
            "task",
            TASK
            | {
                "due": {"at": "2026-03-05T10:00:00+00:00"},
                "start_by": {"at": "2026-03-05T10:00:00.5Z"},
            },
        ),
        ("task", TASK | {"created_at": datetime(2026, 3, 2, tzinfo=timezone(timedelta(hours=1)))}),
        ("task", TASK | {"url": "https://own.test", "requester": "pty_stored"}),
        ("item", ITEM),
        ("item", ITEM | {"amount": {"value": "12.50"}, "date": "2026-03-05", "owner": None}),
        ("item", ITEM | {"amount": {"value": "12.50", "currency": "EUR"}, "stage": "won"}),
    ],
)
@pytest.mark.parametrize("links", [[], LINKS], ids=["alone", "linked"])
def test_rules_see_what_people_see(
    database: Database, kind: str, row: dict[str, Any], links: list[dict[str, Any]]
) -> None:
    parties = [
        {
            "id": id, "kind": "person", "side": "internal", "name": id, "email": None,
            "person": None, "active": True, "created_at": NOW,
        }
        for id in ("pty_known", "pty_stored")
    ]  # fmt: skip
    with database.write() as tx:
        work.insert(tx, "party", parties)
        seen = present.plain(tx, kind, row, links, {"pty_known": parties[0]})
        show = present.tasks if kind == "task" else present.items
        [shown] = show(tx, [row], {"one": links})
    assert seen == shown.model_dump(mode="json", by_alias=True)

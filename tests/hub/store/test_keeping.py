"""What the store keeps: exceptions, cursors, leases, timers, tokens, secrets, lists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hub.store import access, cursors, exceptions, running, work
from hub.store import tables as t
from hub.store.database import Database
from hub.store.exceptions import Trouble
from hub.store.queue import LostLease
from hub.store.work import WorkFilter

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LEASE = timedelta(seconds=60)


def let_leases_expire(database: Database) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    with database.write() as tx:
        tx.execute(sa.update(t.cursors).values(lease_until=past))
        tx.execute(sa.update(t.leases).values(until=past))


# ---------------------------------------------------------------------------------- exceptions


def test_the_same_trouble_is_one_exception_with_a_count(database: Database) -> None:
    """In one call and across calls; told anew once it was closed."""
    trouble = Trouble("validation", "Same", "first", subject="tsk_1", place="title")
    other = Trouble("validation", "Other", subject="tsk_1", place="status")
    with database.write() as tx:
        (one, new), (two, again), (three, also) = exceptions.raise_(
            tx, [trouble, trouble, other], NOW
        )
        assert (new, again, also) == (True, False, True)
        assert one == two != three
        later = Trouble("validation", "Same", "second", subject="tsk_1", place="title")
        assert exceptions.raise_(tx, [later], NOW + LEASE) == [(one, False)]
        row = exceptions.exception(tx, one)
        assert row is not None
        assert (row["count"], row["detail"], row["seen_at"]) == (3, "second", NOW + LEASE)
        assert exceptions.close(tx, one, "resolved", NOW, None, "done")
        assert not exceptions.close(tx, one, "waived", NOW, None, "twice")
        assert exceptions.raise_(tx, [trouble], NOW)[0][1]


def test_open_exceptions_are_paged_by_time_and_id(database: Database) -> None:
    """Many in the same moment: none twice, none missing."""
    with database.write() as tx:
        exceptions.raise_(
            tx, [Trouble("validation", str(n), subject=f"s{n}") for n in range(7)], NOW
        )
        seen: list[str] = []
        before = None
        while page := exceptions.list_exceptions(tx, before=before, limit=3):
            seen += [row["title"] for row in page]
            before = (page[-1]["opened_at"], page[-1]["id"])
    assert sorted(seen) == [str(n) for n in range(7)]


# ------------------------------------------------------------------------------------- cursors


def test_a_pull_is_fenced(database: Database) -> None:
    """Nobody else while the lease holds; the one that was overtaken moves nothing."""
    with database.write() as tx:
        first = cursors.claim_pull(tx, "github", "issue", LEASE)
        assert first is not None
        assert cursors.claim_pull(tx, "github", "issue", LEASE, force=True) is None
        cursors.move_cursor(tx, "github", "issue", first.fence, {"page": 1}, LEASE)
    let_leases_expire(database)
    with database.write() as tx:
        second = cursors.claim_pull(tx, "github", "issue", LEASE)
        assert second is not None
        assert second.cursor == {"page": 1}
    with pytest.raises(LostLease), database.write() as tx:
        cursors.move_cursor(tx, "github", "issue", first.fence, {"page": 99}, LEASE)
    with database.write() as tx:
        cursors.end_pull(tx, "github", "issue", first.fence, timedelta(0), NOW)
        [row] = cursors.all_cursors(tx)
        assert row["cursor"] == {"page": 1}
        assert row["lease_until"] is not None
        cursors.end_pull(tx, "github", "issue", second.fence, timedelta(hours=1), NOW)
        assert cursors.claim_pull(tx, "github", "issue", LEASE) is None
        assert cursors.claim_pull(tx, "github", "issue", LEASE, force=True) is not None


def test_a_pull_from_the_beginning_waits_for_the_one_under_way(database: Database) -> None:
    with database.write() as tx:
        held = cursors.claim_pull(tx, "github", "issue", LEASE)
        assert held is not None
        assert not cursors.pull_afresh(tx, "github", "issue")
        cursors.move_cursor(tx, "github", "issue", held.fence, {"page": 1}, LEASE)
        cursors.end_pull(tx, "github", "issue", held.fence, timedelta(hours=1), NOW)
        assert cursors.pull_afresh(tx, "github", "issue")
        again = cursors.claim_pull(tx, "github", "issue", LEASE)
    assert again is not None
    assert again.cursor == {"page": 1}
    assert again.everything is not None
    assert (again.everything.cursor, again.everything.seen) == ({}, 0)


def test_one_scheduler_leads_and_another_takes_over(database: Database) -> None:
    with database.write() as tx:
        assert running.hold(tx, "scheduler", "a", LEASE)
        assert running.hold(tx, "scheduler", "a", LEASE)
        assert not running.hold(tx, "scheduler", "b", LEASE)
    let_leases_expire(database)
    with database.write() as tx:
        assert running.hold(tx, "scheduler", "b", LEASE)
        assert not running.hold(tx, "scheduler", "a", LEASE)
        running.let_go(tx, "scheduler", "a")
        assert not running.hold(tx, "scheduler", "a", LEASE)
        running.let_go(tx, "scheduler", "b")
        assert running.hold(tx, "scheduler", "a", LEASE)


ESCALATE = ("escalate",)


def test_a_timer_is_set_once_and_fires_once(database: Database) -> None:
    with database.write() as tx:
        for _ in range(2):
            running.set_timer(tx, "escalate", "stp_1", 0, NOW, {"to": "x"})
        running.set_timer(tx, "escalate", "stp_2", 0, NOW, {})
        assert running.due_timers(tx, NOW - timedelta(seconds=1), ESCALATE) == []
        due = running.due_timers(tx, NOW, ESCALATE)
        assert [timer["subject"] for timer in due] == ["stp_1", "stp_2"]
        running.stop_timers(tx, "stp_2")
        running.end_timers(tx, [due[0]["id"]])
        running.set_timer(tx, "escalate", "stp_1", 0, NOW, {})
        assert running.due_timers(tx, NOW, ESCALATE) == []


# -------------------------------------------------------------------------------------- access


def test_tokens_are_stored_as_hashes_and_end(database: Database) -> None:
    with database.write() as tx:
        id, secret = access.make_token(
            tx, "api", "x" * 300, "admin", NOW, lifetime=timedelta(hours=1)
        )
        [row] = tx.execute(sa.select(t.tokens)).mappings()
        assert secret not in str(dict(row))
        assert access.token(tx, secret, "api", NOW) is not None
        assert access.token(tx, secret, "session", NOW) is None
        assert access.token(tx, secret + "x", "api", NOW) is None
        assert access.token(tx, secret, "api", NOW + timedelta(hours=1)) is None
        assert all("hash" not in name for one in access.list_tokens(tx) for name in one)
        assert access.revoke(tx, id)
        assert access.token(tx, secret, "api", NOW) is None


def test_a_link_dies_of_wrong_codes_and_works_once(database: Database) -> None:
    with database.write() as tx:
        id, secret = access.make_token(tx, "participant", "x", "participant", NOW, code="123456")
        row = access.token(tx, secret, "participant", NOW)
        assert row is not None
        assert access.code_matches(row, " 123456 ")
        assert not access.code_matches(row, "123457")
        assert not access.code_matches(row, "\u0661\u0662\u0663\u0664\u0665\u0666")
        assert access.use_once(tx, id, NOW)
        assert not access.use_once(tx, id, NOW)
        for _ in range(access.MAX_FAILURES):
            assert not access.try_code(tx, row, "000000")
        assert not access.try_code(tx, row, "123456")
        assert access.token(tx, secret, "participant", NOW) is None


def test_a_token_without_a_code_has_no_code_that_matches(database: Database) -> None:
    with database.write() as tx:
        _, secret = access.make_token(tx, "participant", "x", "participant", NOW)
        row = access.token(tx, secret, "participant", NOW)
    assert row is not None
    assert not access.code_matches(row, "")


def test_secrets_are_sealed_and_another_key_opens_none(database: Database) -> None:
    with database.write() as tx:
        access.put_secret(tx, b"key one", "GH", "canary-secret", NOW)
        access.put_secret(tx, b"key one", "GH", "canary-two", NOW)
        assert access.get_secret(tx, b"key one", "GH") == "canary-two"
        assert access.get_secret(tx, b"key one", "OTHER") is None
        [row] = tx.execute(sa.select(t.secrets)).mappings()
        assert "canary" not in str(dict(row))
        with pytest.raises(access.WrongKey, match="HUB_SECRET_KEY") as caught:
            access.get_secret(tx, b"key two", "GH")
        assert "canary" not in str(caught.value)
        assert access.secret_names(tx) == ["GH"]


# --------------------------------------------------------------------------------------- lists


def task(number: int, **values: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": f"tsk_{number:02}", "version": 1, "title": f"Task {number}", "description": None,
        "status": "open", "assignee": None, "accountable": None, "requester": None,
        "waiting_on": "internal", "due": None, "due_by": None, "start_by": None, "priority": None,
        "labels": [], "url": None, "case_id": None, "step_id": None, "custom": {},
        "created_at": NOW, "updated_at": NOW, "completed_at": None,
    }  # fmt: skip
    return row | values


def found(database: Database, **narrow: Any) -> list[str]:
    with database.read() as tx:
        rows = work.search(tx, "task", WorkFilter(**narrow), NOW)
        return [str(row["id"]) for row in rows]


def test_tasks_are_narrowed_by_every_filter(database: Database) -> None:
    late = NOW - timedelta(hours=1)
    with database.write() as tx:
        work.insert(
            tx,
            "task",
            [
                task(1, status="done", due_by=late),
                task(2, assignee="pty_1", due_by=late),
                task(3, accountable="pty_2", waiting_on="external"),
                task(4, case_id="cas_1", description="100% of it_all"),
                task(5, title="ÜBER \\ alles"),
            ],
        )
        link = work.new_link("task", "tsk_03", "github", "issue", "77", NOW)
        other = work.new_link("task", "tsk_04", "crm", "task", "77", NOW)
        work.insert_links(tx, [link, other])
    assert found(database, status="done") == ["tsk_01"]
    assert found(database, assignee="pty_1") == ["tsk_02"]
    assert found(database, accountable="pty_2") == ["tsk_03"]
    assert found(database, waiting_on="external") == ["tsk_03"]
    assert found(database, case="cas_1") == ["tsk_04"]
    assert found(database, overdue=True) == ["tsk_02"]
    assert "tsk_02" not in found(database, overdue=False)
    assert len(found(database, overdue=False)) == 4
    assert found(database, connection="github") == ["tsk_03"]
    assert found(database, connection="crm", external_id="77") == ["tsk_04"]
    assert found(database, connection="github", object="task") == []
    assert found(database, external_id="77") == ["tsk_04", "tsk_03"]
    assert found(database, q="100%") == ["tsk_04"]
    assert found(database, q="t_a") == ["tsk_04"]
    assert found(database, q="\\ ALLES") == ["tsk_05"]
    assert found(database, q="%") == ["tsk_04"]
    assert found(database, q="nothing") == []


def test_pages_of_equal_timestamps_miss_and_repeat_nothing(database: Database) -> None:
    with database.write() as tx:
        work.insert(
            tx,
            "task",
            [task(n, updated_at=NOW + timedelta(microseconds=n // 5)) for n in range(23)],
        )
        seen: list[str] = []
        after = None
        while page := work.search(tx, "task", WorkFilter(), NOW, after=after, limit=4):
            seen += [str(row["id"]) for row in page]
            after = (page[-1]["updated_at"], str(page[-1]["id"]))
    assert seen == [f"tsk_{n:02}" for n in reversed(range(23))]


def test_people_who_left_stay_inactive_and_come_back(database: Database) -> None:
    dana = work.PersonRow("dana", "Dana", "dana@acme.test")
    with database.write() as tx:
        work.keep_people(tx, [dana], NOW)
        id = work.people(tx)["dana"]["id"]
        work.keep_people(tx, [], NOW)
        assert not work.people(tx)["dana"]["active"]
        work.keep_people(tx, [dana], NOW)
        assert work.people(tx)["dana"] | {"active": True} == work.people(tx)["dana"]
        assert work.people(tx)["dana"]["id"] == id
        assert work.ensure_external(tx, "DANA@acme.test", NOW)["id"] == id
        ann = work.ensure_external(tx, "ann@globex.test", NOW, "Ann")
        assert work.ensure_external(tx, "Ann@Globex.test", NOW)["id"] == ann["id"]

"""The queue that deliveries, records and pushes share: order, lanes, leases, fences and poison."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hub.store import outbox, queue
from hub.store.database import Database
from hub.store.outbox import PUSHES, NewPush
from hub.store.tables import pushes

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def fill(database: Database) -> Any:
    """Adds deletes whose lanes are these letters, in order: updates that wait become one."""

    def filled(lanes: str) -> None:
        with database.write() as tx:
            outbox.enqueue(
                tx,
                [NewPush("github", "issue", "delete", "task", lane, []) for lane in lanes],
                NOW,
            )

    return filled


def take(database: Database, limit: int = 100) -> queue.Claim:
    with database.write() as tx:
        return queue.claim(tx, PUSHES, limit)


def lanes(claim: queue.Claim) -> str:
    return "".join(row["entity_id"] for row in claim.rows)


def positions(claim: queue.Claim) -> list[int]:
    return [row["position"] for row in claim.rows]


def expire(database: Database) -> None:
    """Every lease has run out, as when a worker was killed long ago."""
    with database.write() as tx:
        tx.execute(
            sa.update(pushes)
            .where(pushes.c.lease_until.is_not(None))
            .values(lease_until=datetime.now(UTC) - timedelta(seconds=1))
        )


def states(database: Database) -> list[str]:
    with database.read() as tx:
        return list(tx.scalars(sa.select(pushes.c.status).order_by(pushes.c.position)))


def test_rows_come_in_order_and_once(database: Database, fill: Any) -> None:
    fill("abcabc")
    assert lanes(take(database, 4)) == "abca"
    # what is left of `a` is none; `b` and `c` wait behind their leased heads
    assert lanes(take(database)) == ""


def test_a_leased_head_blocks_its_lane_only(database: Database, fill: Any) -> None:
    fill("aabab")
    first = take(database, 1)
    assert lanes(first) == "a"
    assert lanes(take(database)) == "bb"


def test_a_waiting_head_blocks_its_lane_only(database: Database, fill: Any) -> None:
    """Postponed, and what came after it in its lane waits with it."""
    fill("abab")
    claim = take(database, 1)
    with database.write() as tx:
        assert not queue.postpone(tx, claim, positions(claim)[0], "later", 60.0)
    assert lanes(take(database)) == "bb"
    with database.write() as tx:
        assert queue.hurry(tx, PUSHES) == 1
    assert lanes(take(database)) == "aa"


def test_a_finished_head_frees_its_lane(database: Database, fill: Any) -> None:
    fill("aa")
    claim = take(database, 1)
    with database.write() as tx:
        queue.finish(tx, claim, positions(claim), "sent")
    assert lanes(take(database)) == "a"


def test_after_a_crash_rows_come_in_smaller_batches_then_alone(
    database: Database, fill: Any
) -> None:
    """Whoever kills its worker is isolated in three steps."""
    fill("abcdefghijklmnopqrst")
    sizes = []
    for _ in range(3):
        sizes.append(len(take(database, 20).rows))
        expire(database)
    assert sizes == [20, 2, 1]


def test_a_row_that_kills_every_worker_is_set_aside_and_the_rest_goes_on(
    database: Database, fill: Any
) -> None:
    """Five claims lost, the last three of them alone; its lane and all others then go on."""
    fill("aba")
    alone = 0
    for _ in range(30):
        claim = take(database)
        if claim.poison:
            break
        if lanes(claim).startswith("a") and positions(claim)[0] == 1:
            alone += len(claim.rows) == 1
            expire(database)
        else:
            with database.write() as tx:
                queue.finish(tx, claim, positions(claim), "sent")
    else:
        raise AssertionError("never set aside")
    [poison] = claim.poison
    assert poison["position"] == 1
    assert poison["claims"] == 5
    assert alone >= queue.CRASHES
    for _ in range(5):
        claim = take(database)
        with database.write() as tx:
            queue.finish(tx, claim, positions(claim), "sent")
    assert states(database) == ["failed", "sent", "sent"]


def test_fresh_rows_go_on_while_worn_ones_are_isolated(database: Database, fill: Any) -> None:
    """A batch that died does not starve what came later."""
    fill("ab")
    take(database)
    fill("cd")
    assert lanes(take(database)) == "cd"


@pytest.mark.parametrize("act", ["finish", "postpone", "release", "renew"])
def test_an_expired_lease_changes_nothing(database: Database, fill: Any, act: str) -> None:
    """Even if nobody has taken the row over yet."""
    fill("a")
    claim = take(database)
    expire(database)
    with database.read() as tx:
        before = tx.execute(sa.select(pushes)).mappings().one()
    _act(database, claim, act)
    with database.read() as tx:
        assert tx.execute(sa.select(pushes)).mappings().one() == before


@pytest.mark.parametrize("act", ["finish", "postpone", "release", "renew"])
def test_a_row_that_was_taken_over_is_the_others(database: Database, fill: Any, act: str) -> None:
    """A zombie that wakes up changes 0 rows; the new holder finishes."""
    fill("a")
    zombie = take(database)
    expire(database)
    holder = take(database)
    assert lanes(holder) == "a"
    _act(database, zombie, act)
    with database.write() as tx:
        queue.finish(tx, holder, positions(holder), "sent")
    assert states(database) == ["sent"]


def _act(database: Database, claim: queue.Claim, act: str) -> None:
    at = positions(claim)
    match act:
        case "finish":
            with pytest.raises(queue.LostLease), database.write() as tx:
                queue.finish(tx, claim, at, "failed")
        case "postpone":
            with pytest.raises(queue.LostLease), database.write() as tx:
                queue.postpone(tx, claim, at[0], "x", 0.0)
        case "release":
            with database.write() as tx:
                queue.release(tx, claim, at)
        case "renew":
            with database.write() as tx:
                assert not queue.renew(tx, claim, at)


def test_one_lost_row_undoes_the_whole_transaction(database: Database, fill: Any) -> None:
    fill("ab")
    claim = take(database)
    with database.write() as tx:
        tx.execute(sa.update(pushes).where(pushes.c.position == 2).values(fence=7))
    with pytest.raises(queue.LostLease), database.write() as tx:
        queue.finish(tx, claim, positions(claim), "sent")
    assert states(database) == ["pending", "pending"]


def test_postponing_counts_only_what_is_its_fault(database: Database, fill: Any) -> None:
    """Used up, it is set aside; a wait that is nobody's fault never uses it up."""
    fill("a")
    for _ in range(PUSHES.max_attempts + 5):
        claim = take(database)
        with database.write() as tx:
            assert not queue.postpone(tx, claim, 1, "paused", 0.0, counted=False)
    for number in range(PUSHES.max_attempts):
        claim = take(database)
        with database.write() as tx:
            aside = queue.postpone(tx, claim, 1, "failed", 0.0)
        assert aside == (number == PUSHES.max_attempts - 1)
    assert states(database) == ["failed"]


def test_unsure_remembers_that_it_may_have_happened(database: Database, fill: Any) -> None:
    """The next claim sees it, as after a crash; a sure postponement forgets."""
    fill("a")
    for unsure, remembered in ((True, 1), (False, 0)):
        claim = take(database)
        with database.write() as tx:
            queue.postpone(tx, claim, 1, "?", 0.0, unsure=unsure)
        with database.read() as tx:
            assert tx.scalar(sa.select(pushes.c.claims)) == remembered


def test_released_rows_are_as_if_never_claimed(database: Database, fill: Any) -> None:
    fill("a")
    claim = take(database)
    with database.write() as tx:
        queue.release(tx, claim, positions(claim))
        [row] = tx.execute(sa.select(pushes)).mappings()
    assert (row["claims"], row["attempts"], row["lease_until"]) == (0, 0, None)


def test_a_release_forgets_its_own_claim_and_no_crash(database: Database, fill: Any) -> None:
    """Or poison would begin to count anew, and a push that may have happened be sent again."""
    fill("a")
    take(database)
    with database.write() as tx:
        queue.recover(tx, PUSHES)
    claim = take(database)
    with database.write() as tx:
        queue.release(tx, claim, positions(claim))
        assert tx.scalar(sa.select(pushes.c.claims)) == 1


def test_recover_gives_back_what_the_dead_held(database: Database, fill: Any) -> None:
    """At once, or once their last request has come to rest; and they count as claimed."""
    fill("ab")
    take(database)
    assert lanes(take(database)) == ""
    with database.write() as tx:
        assert queue.recover(tx, PUSHES, timedelta(seconds=30)) == 2
    assert lanes(take(database)) == ""
    with database.write() as tx:
        queue.hurry(tx, PUSHES)
    again = take(database, 20)
    assert [row["claims"] for row in again.rows] == [1, 1]


def test_counts_say_what_waits_and_what_is_due(database: Database, fill: Any) -> None:
    fill("ab")
    with database.read() as tx:
        assert (queue.ready_count(tx, PUSHES), queue.due_count(tx, PUSHES)) == (2, 1)
    take(database)
    with database.read() as tx:
        assert (queue.ready_count(tx, PUSHES), queue.due_count(tx, PUSHES)) == (2, 0)


def test_rows_of_paused_connections_stay_where_they_are(database: Database, fill: Any) -> None:
    """They are not claimed, and block nobody."""
    fill("a")
    with database.write() as tx:
        outbox.enqueue(tx, [NewPush("crm", "task", "update", "task", "a", ["title"])], NOW)
        claim = queue.claim(tx, PUSHES, 10, ["github"])
    assert [row["connection"] for row in claim.rows] == ["crm"]


def test_the_database_clock_says_when_a_row_is_ready(database: Database) -> None:
    """A worker whose clock is ahead does not make its pushes wait."""
    with database.write() as tx:
        push = NewPush("github", "issue", "update", "task", "a", ["title"])
        outbox.enqueue(tx, [push], datetime.now(UTC) + timedelta(hours=1))
    assert lanes(take(database)) == "a"


def test_a_retry_keeps_the_key_and_what_is_known(database: Database, fill: Any) -> None:
    """Only a failed or unknown push; and one that may have happened is looked up first."""
    fill("ab")
    claim = take(database)
    with database.write() as tx:
        ids = [row["id"] for row in claim.rows]
        assert not outbox.retry(tx, ids[0])
        queue.finish(tx, claim, [1], "failed")
        queue.finish(tx, claim, [2], "unknown")
        before = list(tx.scalars(sa.select(pushes.c.key)))
        assert outbox.retry(tx, ids[0])
        assert outbox.retry(tx, ids[1])
        assert list(tx.scalars(sa.select(pushes.c.key))) == before
    again = take(database)
    with database.read() as tx:
        claims = list(tx.scalars(sa.select(pushes.c.claims).order_by(pushes.c.position)))
    # `a` was claimed before without a result, so it is looked up; of `b` a person did that
    assert [row["claims"] for row in again.rows] == [1, 0]
    assert claims == [2, 1]


def test_many_workers_never_hold_the_same_row(database: Database, fill: Any) -> None:
    """Four of them over 400 rows of 40 lanes: each row once, each lane in order."""
    fill("".join(chr(0x4E00 + number % 40) for number in range(400)))
    seen: list[tuple[str, int]] = []
    lock = threading.Lock()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while True:
                claim = take(database, 7)
                if not claim.rows:
                    if set(states(database)) == {"sent"}:
                        return
                    continue
                with lock:
                    seen.extend((row["lane"], row["position"]) for row in claim.rows)
                with database.write() as tx:
                    queue.finish(tx, claim, positions(claim), "sent")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert len(seen) == len(set(seen)) == 400
    by_lane: dict[str, list[int]] = {}
    for lane, position in seen:
        by_lane.setdefault(lane, []).append(position)
    assert all(order == sorted(order) for order in by_lane.values())

"""The machine can fail: a hub that is broken in one place is found out by a few
histories.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from hub.flow import agree, arrive, deliver, merge, order
from hub.store import queue
from hub.store import tables as t
from tests.hub.sync.ground import Grounds
from tests.hub.sync.hunt import hunt

SEEDS, EACH = range(7, 12), 25
"""Where histories begin, and how many of each, after which a mutant must have been found: together
as many as one worker tries of CI's thousand. Hypothesis varies what it has tried, so several short
hunts see more than a long one.
"""


def takes_theirs(patch: pytest.MonkeyPatch) -> None:
    """Whatever the mapping says, the tool is right."""
    patch.setattr(merge, "ours_holds", lambda *_, **__: False)


def takes_ours(patch: pytest.MonkeyPatch) -> None:
    """Whatever the mapping says, the hub is right."""
    patch.setattr(merge, "ours_holds", lambda *_, **__: True)


def knows_no_echo(patch: pytest.MonkeyPatch) -> None:
    """What a tool says is an edit, whether it said so before or not."""
    real = merge.merge

    def deaf(connection: str, policies: Any, values: Any, raw: Any, entity: Any, link: Any, **more: Any) -> Any:  # fmt: skip  # noqa: E501
        return real(connection, policies, values, raw, entity, {**link, "remote_base": {}}, **more)

    patch.setattr(arrive, "merge", deaf)


def agrees_on_nothing(patch: pytest.MonkeyPatch) -> None:
    """The answer to a write does not become what both sides agree on."""
    real = agree._base_on_answer

    def only_of_creates(*args: Any, fresh: bool, **more: Any) -> None:
        if fresh:
            real(*args, fresh=fresh, **more)

    patch.setattr(agree, "_base_on_answer", only_of_creates)


def forgets_what_it_was_doing(patch: pytest.MonkeyPatch) -> None:
    """What a process that died had begun to write counts as written."""
    real = queue.recover

    def lost(tx: Any, one: queue.Queue, *rest: Any) -> int:
        if one.table is t.pushes:
            held = t.pushes.c.lease_until.is_not(None) & (t.pushes.c.status == "pending")
            tx.execute(sa.update(t.pushes).where(held).values(status="sent", lease_until=None))
        return real(tx, one, *rest)

    patch.setattr(queue, "recover", lost)


def repeats_without_looking(patch: pytest.MonkeyPatch) -> None:
    """A create whose outcome is unknown is made once more."""
    patch.setattr(deliver, "_look_up", lambda *_: {})


def believes_whoever_speaks_last(patch: pytest.MonkeyPatch) -> None:
    """Every state that comes in is the newest."""
    patch.setattr(order, "place", lambda *_: order.Place.HOLDS)


def does_not_listen_to_answers(patch: pytest.MonkeyPatch) -> None:
    """What a person did just before our write is taken for known."""
    patch.setattr(agree, "_says_more", lambda *_: False)


def rules_in_secret(patch: pytest.MonkeyPatch) -> None:
    """What lost is not in the history."""
    real = merge.merge

    def silent(*args: Any, **more: Any) -> Any:
        return replace(real(*args, **more), rulings={})

    patch.setattr(arrive, "merge", silent)


Mutant = Callable[[pytest.MonkeyPatch], None]
MUTANTS: tuple[Mutant, ...] = (
    takes_theirs,
    takes_ours,
    knows_no_echo,
    agrees_on_nothing,
    forgets_what_it_was_doing,
    repeats_without_looking,
    believes_whoever_speaks_last,
    does_not_listen_to_answers,
    rules_in_secret,
)


def several_hunts(ground_of: Grounds) -> None:
    for seed in SEEDS:
        hunt(ground_of, EACH, seed, shrink=False)


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.__name__)
def test_a_broken_hub_is_found_out(
    ground_of: Grounds, mutant: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        mutant(patch)
        with pytest.raises(AssertionError, match=r"at rest|come to rest|go round"):
            several_hunts(ground_of)

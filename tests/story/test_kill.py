"""`kill -9` at random moments: the story ends the same, nothing is lost, nothing happens twice."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from typing import Any

import pytest

from hub.demo.run import play
from hub.demo.story import customers
from hub.demo.supervise import Supervisor
from hub.demo.world import World

Json = Any
KILLS = int(os.environ.get("HUB_CHAOS_KILLS", "20"))
SEED = int(os.environ.get("HUB_CHAOS_SEED", "0")) or random.SystemRandom().randrange(10**6)


class Killer:
    """Kills the hub once, so many seconds after it was ready."""

    def __init__(self, after: float) -> None:
        self.after = after
        self.killed = False

    def __call__(self, supervisor: Supervisor) -> None:
        def strike() -> None:
            time.sleep(self.after)
            supervisor.kill("hub")
            self.killed = True

        threading.Thread(target=strike, daemon=True).start()


def _moments() -> list[float]:
    chosen = random.Random(SEED)
    return [round(chosen.uniform(0.0, 12.0), 2) for _ in range(KILLS)]


@pytest.mark.chaos
@pytest.mark.parametrize("after", _moments())
def test_a_killed_hub_goes_on_where_it_was(after: float) -> None:
    """Every act once, every effect once; a mail at most twice, and then it is shown."""
    print(f"seed {SEED}, killed {after} s after it was ready")
    killer = Killer(after)
    with World("onboarding") as world:
        report = play(world, seed=3, meanwhile=killer)
        people = ["dana@acme.test", "lee@acme.test", "sam@acme.test", customers(3)[0].contact]
        inbox = [
            (address, str(mail["Subject"]), str(mail["Message-ID"]))
            for address in people
            for mail in world.tools.mail.inbox(address)
        ]
        calls = [task["Subject"] for task in world.tools.crm.records("Task")]
    assert report["ok"], report["error"]
    assert killer.killed
    [case] = report["cases"]
    assert case["status"] == "completed"
    assert {step["status"] for step in case["steps"]} == {"completed"}
    assert [issue["state"] for issue in report["tools"]["github"]] == ["closed", "closed"]
    assert len(report["tools"]["tracker"]) == 1
    assert len(calls) == len(set(calls)) == 1
    copies = Counter(inbox)
    assert sum(copies.values()) - len(copies) <= 1, copies
    told = Counter((address, subject) for address, subject, _ in copies)
    assert set(told.values()) == {1}, told
    others = [one for one in report["exceptions"] if one["type"] != "push_unknown"]
    assert others == []

"""`kill -9`: the story ends the same, nothing is lost, nothing happens twice.

At every place between an effect and its record, and at random moments of the story.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from typing import Any

import pytest

from hub.demo.run import play
from hub.demo.story import Done, customers
from hub.demo.supervise import Supervisor
from hub.demo.world import World
from hub.failpoints import PLACES

Json = Any
KILLS = int(os.environ.get("HUB_CHAOS_KILLS", "20"))
# the workers of one run must all come to the same moments
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", "0")
SEED = (
    int(os.environ.get("HUB_CHAOS_SEED", "0"))
    or int(RUN, 16) % 10**6
    or random.SystemRandom().randrange(10**6)
)
CUSTOMER = 3

# how often each place is passed before the process dies there; pushes are where effects are
NTH = {
    "deliver.pushed": (1, 2, 3, 4, 5, 6, 7, 8),
    # most records come in with their delivery or their page and never wait to be claimed
    "bring_in.claimed": (1,),
    "bring_in.committed": (1,),
}


# the last act that is told while the hub has still something to do
LAST = 7


class Killer:
    """Kills the hub once, so many seconds after so many acts of the story are done; at the latest
    when the last one is, since a quick machine may have ended the story by then.
    """

    def __init__(self, acts: int, seconds: float) -> None:
        self.acts = acts
        self.seconds = seconds
        self.done = 0
        self.killed = threading.Event()
        self._turn = threading.Lock()

    def watch(self, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self._perhaps()

    def tell(self, _: Done) -> None:
        self.done += 1
        self._perhaps()
        if self.done == LAST:
            self._strike()

    def _perhaps(self) -> None:
        if self.done == self.acts:
            threading.Thread(target=self._later, daemon=True).start()

    def _later(self) -> None:
        time.sleep(self.seconds)
        self._strike()

    def _strike(self) -> None:
        with self._turn:
            if not self.killed.is_set():
                self.supervisor.kill("hub")
                self.killed.set()


def _moments() -> list[tuple[int, float]]:
    chosen = random.Random(SEED)
    return [(chosen.randrange(LAST), round(chosen.uniform(0.0, 0.8), 2)) for _ in range(KILLS)]


def _check(world: World, report: Json) -> None:
    """Every act once, every effect once; a mail at most twice, and then it is shown."""
    people = ["dana@acme.test", "lee@acme.test", "sam@acme.test", customers(CUSTOMER)[0].contact]
    inbox = [
        (address, str(mail["Subject"]), str(mail["Message-ID"]))
        for address in people
        for mail in world.tools.mail.inbox(address)
    ]
    calls = [task["Subject"] for task in world.tools.crm.records("Task")]
    assert report["ok"], report["error"]
    [case] = report["cases"]
    assert case["status"] == "completed"
    assert {step["status"] for step in case["steps"]} == {"completed"}
    assert [issue["state"] for issue in report["tools"]["github"]] == ["closed", "closed"]
    assert len(report["tools"]["tracker"]) == 1
    assert len(calls) == 1
    copies = Counter(inbox)
    second_copies = sum(copies.values()) - len(copies)
    unknown = [one for one in report["exceptions"] if one["type"] == "push_unknown"]
    assert second_copies <= min(1, len(unknown)), copies
    told = Counter((address, subject) for address, subject, _ in copies)
    assert set(told.values()) == {1}, told
    assert len(told) == 6
    assert [one for one in report["exceptions"] if one["type"] != "push_unknown"] == []


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("place", "nth"), [(place, nth) for place in PLACES for nth in NTH.get(place, (1, 3))]
)
def test_a_hub_that_dies_between_an_effect_and_its_record_goes_on(place: str, nth: int) -> None:
    """Each place was really reached, and died at."""
    with World("onboarding") as world:
        once = world.home / "died"
        world.env["HUB_FAILPOINT"] = f"{place}:{nth}:{once}"
        report = play(world, seed=CUSTOMER)
        died = once.exists()
        _check(world, report)
    assert died, f"{place} was not reached {nth} times"


@pytest.mark.chaos
@pytest.mark.parametrize(("acts", "seconds"), _moments())
def test_a_hub_killed_at_a_random_moment_goes_on(acts: int, seconds: float) -> None:
    """The moment is so many seconds after an act; HUB_CHAOS_SEED repeats a run."""
    print(f"seed {SEED}: killed {seconds} s after act {acts}")
    killer = Killer(acts, seconds)
    with World("onboarding") as world:
        report = play(world, seed=CUSTOMER, tell=killer.tell, meanwhile=killer.watch)
        _check(world, report)
    assert killer.killed.is_set()

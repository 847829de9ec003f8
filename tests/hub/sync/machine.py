"""The machine: hypothesis chooses what happens next, and finds the shortest history that goes
wrong.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.hub.sync.ground import FIELDS, POLICIES, Grounds
from tests.hub.sync.rest import come_to_rest, rest
from tests.hub.sync.scene import HUB, SIDES, STAGES, Scene, scene
from tests.hub.sync.tools import TOOLS, Fault

which = st.integers(0, 1)
small = st.integers(0, 4)
tools = st.sampled_from(TOOLS)
posting = st.sampled_from(("tracker", "desk"))
fields = st.sampled_from(FIELDS)
skews = st.sampled_from((0, 3600, -3600, 90, -1))
deaths = st.none() | st.integers(0, 14)
"""After how many steps the process dies that does something; None: it lives."""


class Machine(RuleBasedStateMachine):
    """One history. `grounds` are the hubs of this process."""

    grounds: Grounds

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.scene: Scene

    @initialize(
        policies=st.sampled_from(sorted(POLICIES)),
        skews=st.fixed_dictionaries({"tracker": skews, "desk": skews, "sheet": skews}),
        thin=st.booleans(),
        first=st.sampled_from(SIDES),
        apart=st.sampled_from((False, False, True)),
        fault=st.sampled_from((None, "before", "after", "limit")),
        where=tools,
        dies=deaths,
    )
    def begin(
        self,
        policies: str,
        skews: dict[str, int],
        thin: bool,
        first: str,
        apart: bool,
        fault: Fault | None,
        where: str,
        dies: int | None,
    ) -> None:
        """One task; mostly it is in all tools before anything else happens, and to get there it may
        have had its troubles.
        """
        self.scene = self._stack.enter_context(scene(self.grounds.of(policies)))
        self.scene.open(skews, thin)
        self.scene.create(first)
        if apart:
            return
        if first != HUB:
            self.scene.pull(first)
            self.scene.work()
        self.scene.mirror()
        if fault:
            self.scene.fail(where, fault)
        with self.scene.perhaps_dying(dies):
            self.scene.work()
        self.scene.wait(70)
        self.scene.work()  # what failed is tried again before a webhook can tell of it
        come_to_rest(self.scene)

    def teardown(self) -> None:
        try:
            if hasattr(self, "scene") and sys.exc_info()[0] is None:
                rest(self.scene)
        finally:
            self._stack.close()

    # ------------------------------------------------------------------------------------- people

    @precondition(lambda self: self.scene._tasks < 2)
    @rule(side=st.sampled_from(SIDES))
    def create(self, side: str) -> None:
        self._moment()
        self.scene.create(side)

    @rule(side=st.sampled_from(SIDES), which=which, field=fields, small=small)
    def edit(self, side: str, which: int, field: str, small: int) -> None:
        self._moment()
        self.scene.edit(side, which, field, small)

    @rule(
        side=st.sampled_from(SIDES),
        other=st.sampled_from(SIDES),
        which=which,
        field=fields,
        next=st.sampled_from((0, 0, 1, 3)),
        small=small,
    )
    def edit_at_once(
        self, side: str, other: str, which: int, field: str, next: int, small: int
    ) -> None:
        """Two people write into the same field, or the `next` one to it; neither hears of it."""
        self._moment()
        self.scene.edit(side, which, field, small)
        self._moment()
        self.scene.edit(other, which, FIELDS[(FIELDS.index(field) + next) % len(FIELDS)], small)

    @rule(side=tools, which=which, back=st.booleans())
    def delete(self, side: str, which: int, back: bool) -> None:
        self._moment()
        if back:
            self.scene.restore(side, which)
        else:
            self.scene.delete(side, which)

    @rule(side=st.sampled_from(SIDES), which=which)
    def say(self, side: str, which: int) -> None:
        self._moment()
        self.scene.say(side, which)

    @rule()
    def mirror(self) -> None:
        self.scene.mirror()

    @rule(which=which, choose=st.sampled_from(("ours", "theirs")))
    def judge(self, which: int, choose: str) -> None:
        self._moment()
        self.scene.judge(which, choose)

    # ------------------------------------------------------------------------------------- the way

    @rule(tool=posting, which=st.integers(0, 5), times=st.integers(1, 2), again=st.booleans())
    def hear(self, tool: str, which: int, times: int, again: bool) -> None:
        self._moment()
        self.scene.hear(tool, which, times, again=again)

    @rule(tool=posting)
    def hear_backwards(self, tool: str) -> None:
        """All its webhooks arrive, the last one first, each worked off before the next."""
        for _ in range(3):
            if not self.scene.hear(tool, -1, 1, again=False):
                return
            self._moment()
            self.scene.work()

    @rule(tool=posting, which=st.integers(0, 5))
    def drop(self, tool: str, which: int) -> None:
        self.scene.drop(tool, which)

    @rule(tool=tools, full=st.booleans(), dies=deaths)
    def pull(self, tool: str, full: bool, dies: int | None) -> None:
        self._moment()
        with self.scene.perhaps_dying(dies):
            self.scene.pull(tool, full=full)

    @rule(stage=st.sampled_from(sorted(STAGES)), dies=deaths)
    def stage(self, stage: str, dies: int | None) -> None:
        self._moment()
        with self.scene.perhaps_dying(dies):
            self.scene.stage(stage)

    @rule(dies=deaths)
    def work(self, dies: int | None) -> None:
        self._moment()
        with self.scene.perhaps_dying(dies):
            self.scene.work()

    @rule(seconds=st.sampled_from((1, 70, 3700, 3 * 86400)))
    def wait(self, seconds: int) -> None:
        self.scene.wait(seconds)

    # --------------------------------------------------------------------------------- what fails

    @rule(tool=tools, fault=st.sampled_from(("before", "after", "limit")))
    def fail(self, tool: str, fault: Fault) -> None:
        self.scene.fail(tool, fault)

    @rule(tool=tools, field=fields, small=small, seen=st.booleans())
    def twin(self, tool: str, field: str, small: int, seen: bool) -> None:
        self.scene.twin(tool, field, small, seen)

    @rule()
    def rest(self) -> None:
        rest(self.scene)

    def _moment(self) -> None:
        """People and processes take their time; two may fall into one second."""
        self.scene.wait(0.3)

"""Letting a history come to rest, and what must hold then: all is well, and doing it once more
changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.store import tables as t
from tests.hub.sync.scene import Scene
from tests.hub.sync.tools import TOOLS
from tests.hub.sync.verdict import Verdict

ROUNDS = 12


def rest(scene: Scene) -> None:
    """Everything that was not dropped arrives, everything is pulled, and all stages come to rest:
    then all must be well, and doing it once more must change nothing. Raises AssertionError.
    """
    come_to_rest(scene)
    if scene.deleted:  # what is gone from a list is believed at the second look
        for _ in range(2):
            everything(scene)
        come_to_rest(scene)
    wrong = Verdict(scene).all()
    before = _state(scene)
    everything(scene)
    after = _state(scene)
    for what, value in after.items():
        if value != before[what]:
            wrong.append(f"a second run changes {what}: {_difference(before[what], value)}")
    if wrong:
        raise AssertionError("\n".join(["It is at rest, and yet:", *(f"  {one}" for one in wrong)]))
    _begin_anew(scene)


def come_to_rest(scene: Scene) -> None:
    """Nothing fails any more: webhooks arrive, tools are pulled, and all is worked off until
    nothing is on its way.
    """
    for each in scene.tools.values():
        each.faults.clear()
        each.twin = None
    last: Mapping[str, Any] = {}
    for _ in range(ROUNDS):
        done = deliver_all(scene)
        for tool in TOOLS:
            scene.pull(tool)
        done += deliver_all(scene)
        if not done or last == (last := _state(scene)):
            return
    raise AssertionError("It does not come to rest.")


def deliver_all(scene: Scene) -> int:
    """Let every webhook arrive, those too that this causes; how much was done."""
    done = 0
    for _ in range(ROUNDS):
        scene.wait(3600)
        for tool in TOOLS:
            while scene.hear(tool, 0, 1, again=False):
                pass
        some = scene.mirror() + scene.work()
        done += some
        if not some or not any(scene.tools[tool].post for tool in ("tracker", "desk")):
            return done
    raise AssertionError("Webhooks go round.")


def everything(scene: Scene) -> None:
    """Pull all there is from the beginning, and work it off."""
    scene.wait(3600)
    for tool in TOOLS:
        scene.pull(tool, full=True)
    scene.hurry()
    scene.work()


def _state(scene: Scene) -> Mapping[str, Any]:
    """What must not change without a cause."""
    return {
        "the tools": {
            f"{tool} {row.id}": (row.change, dict(row.values), row.deleted)
            for tool in TOOLS
            for row in scene.tools[tool].rows.values()
        },
        "the writes": {tool: len(scene.tools[tool].writes) for tool in TOOLS},
        "the tasks": {row["id"]: row for row in scene.all(t.tasks)},
        "the comments": {row["id"]: row for row in scene.all(t.comments)},
        "the links": {
            row["id"]: (row["remote_base"], row["hub_base"], row["remote_deleted"])
            for row in scene.all(t.links)
        },
        "the events": {row["id"]: (row["type"], row["data"]) for row in scene.all(t.events)},
        "the exceptions": {
            row["id"]: (row["type"], row["status"]) for row in scene.all(t.exceptions)
        },
        "what is to be written": {row["id"]: row["status"] for row in scene.all(t.pushes)},
    }


def _difference(before: Any, after: Any) -> str:
    if not isinstance(before, dict):
        return f"{before!r} → {after!r}"
    keys = [key for key in {*before, *after} if before.get(key) != after.get(key)]
    return "; ".join(f"{key}: {before.get(key)!r} → {after.get(key)!r}" for key in keys)[:2000]


def _begin_anew(scene: Scene) -> None:
    """All agree: what comes next is seen against this."""
    entities = {scene.task_of(one): one for one in scene.entities()}
    for (task, name), choice in scene.choices.items():
        if task in entities:
            choice.before = entities[task][name]
        choice.made.clear()

"""The order of steps: questions about who comes after whom, asked of plain `after` tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

After = Mapping[str, Sequence[str]]
"""Step key to the keys it directly follows."""


def find_cycle(after: After) -> list[str]:
    """Steps that wait for each other, in the order of waiting; empty if there are none."""
    done: set[str] = set()
    for start in after:
        trail: list[str] = []
        open_at: list[list[str]] = [[start]]
        while open_at:
            if not open_at[-1]:
                open_at.pop()
                if trail:
                    done.add(trail.pop())
                continue
            key = open_at[-1].pop()
            if key in trail:
                return trail[trail.index(key) :]
            if key in done or key not in after:
                continue
            trail.append(key)
            open_at.append(list(after[key]))
    return []


def predecessors_of(key: str, after: After) -> set[str]:
    """Everything that comes before a step, directly or not."""
    found: set[str] = set()
    waiting = list(after.get(key, ()))
    while waiting:
        step = waiting.pop()
        if step not in found:
            found.add(step)
            waiting.extend(after.get(step, ()))
    return found


def successors_of(key: str, after: After) -> list[str]:
    """Everything that comes after a step, directly or not, in an order in which it can run."""
    return [step for step in in_order(after) if key in predecessors_of(step, after)]


def in_order(after: After) -> list[str]:
    """All steps, each behind those it follows; otherwise as written. `after` has no cycle."""
    placed: dict[str, None] = {}
    left = list(after)
    while left:
        ready = [
            key for key in left if all(one in placed or one not in after for one in after[key])
        ]
        if not ready:
            raise ValueError("the steps wait for each other")
        placed.update(dict.fromkeys(ready))
        left = [key for key in left if key not in placed]
    return list(placed)

"""How high the boxes of each layer stand: each as near to its neighbours as those above and below
it allow, so that lines are straight where they can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from hub.process.drawing.order import Layers, Links, Slot

ROUNDS = 40
NEAR = 30.0
"""Up to here a bend is a small one."""
STRAIGHT = 6.0
"""How much more a line counts that passes a layer at either end."""
INSET = 24.0
"""Between a row's edge and what stands in it, where there are several."""


@dataclass(slots=True)
class Heights:
    """The top of every slot, and top and height of every row."""

    top: dict[str, float] = field(default_factory=dict)
    bands: list[tuple[float, float]] = field(default_factory=list)


def spread(layers: Layers, links: Links, apart: float, bands: int) -> Heights:
    """Settle the heights; slots stay in their order, `apart` from each other."""
    weights: dict[str, list[tuple[str, float]]] = {s.id: [] for layer in layers for s in layer}
    slots = {slot.id: slot for layer in layers for slot in layer}
    for one, other in links:
        weight = 1.0
        if slots[one].passing or slots[other].passing:
            weight = STRAIGHT
        weights[one].append((other, weight))
        weights[other].append((one, weight))
    found = Heights()
    floors = _rows(layers, apart, bands, found)
    port = {id: found.top[id] + slot.port for id, slot in slots.items()}
    for number in range(ROUNDS):
        for layer in layers if number % 2 == 0 else reversed(layers):
            for band in range(bands):
                row = [slot for slot in layer if slot.band == band]
                wanted = [_wanted(slot.id, weights, port) for slot in row]
                for slot, y in zip(row, _settle(row, wanted, apart, floors[band]), strict=True):
                    port[slot.id] = y
    _straighten(layers, links, port, apart, floors)
    found.top = {id: round(port[id] - slot.port, 1) for id, slot in slots.items()}
    if bands == 1:
        highest = min(found.top.values(), default=0.0)
        found.top = {id: round(top - highest, 1) for id, top in found.top.items()}
    return found


def _straighten(
    layers: Layers,
    links: Links,
    port: dict[str, float],
    apart: float,
    floors: Sequence[tuple[float, float] | None],
) -> None:
    """Take the small bends out of lines that have their ends for themselves."""
    before: dict[str, list[str]] = {slot.id: [] for layer in layers for slot in layer}
    after: dict[str, list[str]] = {id: [] for id in before}
    for one, other in links:
        before[other].append(one)
        after[one].append(other)
    for layer in layers:
        for band, floor in enumerate(floors):
            row = [slot for slot in layer if slot.band == band]
            wanted = []
            for slot in row:
                far = NEAR if not slot.passing or len(floors) == 1 else float("inf")
                near = [one for one in before[slot.id] if abs(port[one] - port[slot.id]) < far]
                alone = [one for one in near if len(after[one]) == 1 or len(before[slot.id]) == 1]
                wanted.append(port[alone[0]] if alone else port[slot.id])
            for slot, y in zip(row, _settle(row, wanted, apart, floor), strict=True):
                port[slot.id] = y


def _rows(
    layers: Layers, apart: float, bands: int, found: Heights
) -> list[tuple[float, float] | None]:
    """Stack every layer from its row's top; a row is as high as its fullest layer. Gives, where
    there are several rows, where the first port and the last bottom of a layer may be.
    """
    floors: list[tuple[float, float] | None] = []
    at = 0.0
    for band in range(bands):
        inset = INSET if bands > 1 else 0.0
        high = 60.0
        rows = [[slot for slot in layer if slot.band == band] for layer in layers]
        line = max((row[0].port for row in rows if row), default=0.0)
        for row in rows:
            # the first of every layer at one height, so that a row can be one straight line
            y = at + inset + (line - row[0].port if row else 0.0)
            for slot in row:
                found.top[slot.id] = y
                y += slot.height + apart
            high = max(high, y - apart + inset - at)
        found.bands.append((at, high))
        floors.append((at + inset + line, at + high - inset) if bands > 1 else None)
        at += high
    return floors


def _wanted(id: str, weights: dict[str, list[tuple[str, float]]], port: dict[str, float]) -> float:
    beside = weights[id]
    if not beside:
        return port[id]
    total = sum(weight for _, weight in beside)
    return sum(port[one] * weight for one, weight in beside) / total


def _settle(
    row: Sequence[Slot], wanted: Sequence[float], apart: float, floor: tuple[float, float] | None
) -> list[float]:
    """The ports' heights that are nearest to the wanted ones in this order: neighbours that would
    overlap move as one (pool adjacent violators).
    """
    if not row:
        return []
    offsets = [0.0]
    for above, slot in pairwise(row):
        offsets.append(offsets[-1] + above.height - above.port + apart + slot.port)
    blocks: list[tuple[float, int]] = []
    for want, away in zip(wanted, offsets, strict=True):
        mean, count = want - away, 1
        while blocks and blocks[-1][0] > mean:
            other, many = blocks.pop()
            mean = (mean * count + other * many) / (count + many)
            count += many
        blocks.append((mean, count))
    heights = [mean for mean, count in blocks for _ in range(count)]
    if floor is not None:
        low = floor[0]
        high = floor[1] - (row[-1].height - row[-1].port) - offsets[-1]
        heights = [min(max(one, low), max(low, high)) for one in heights]
    return [one + away for one, away in zip(heights, offsets, strict=True)]

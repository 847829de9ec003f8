"""In which order the boxes of each layer stand: sweeps to and fro, each box where the middle of its
neighbours is, and the order with the fewest crossings that was seen.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass

SWEEPS = 12


@dataclass(frozen=True, slots=True)
class Slot:
    """A box in a layer, or a line that is `passing` it."""

    id: str
    rank: int
    band: int
    height: float
    port: float
    passing: bool = False


Layers = list[list[Slot]]
Links = Sequence[tuple[str, str]]


def ordered(slots: Sequence[Slot], links: Links) -> Layers:
    """The layers, each from top to bottom. Rows stay together; ties stay as given."""
    layers: Layers = [[] for _ in range(max((slot.rank for slot in slots), default=-1) + 1)]
    for slot in slots:
        layers[slot.rank].append(slot)
    before, after = _neighbours(slots, links)
    layers = _first(layers, after)
    best, fewest = layers, crossings(layers, links)
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        rightward = sweep % 2 == 0
        layers = _sweep(layers, before if rightward else after, rightward)
        count = crossings(layers, links)
        if count < fewest:
            best, fewest = layers, count
    return best


def crossings(layers: Layers, links: Links) -> int:
    """How often lines cross between neighbouring layers."""
    place = {slot.id: number for layer in layers for number, slot in enumerate(layer)}
    rank = {slot.id: slot.rank for layer in layers for slot in layer}
    gaps: dict[int, list[tuple[int, int]]] = {}
    for one, other in links:
        gaps.setdefault(rank[one], []).append((place[one], place[other]))
    count = 0
    for pairs in gaps.values():
        seen: list[int] = []
        for _, target in sorted(pairs):
            count += len(seen) - bisect_right(seen, target)
            insort(seen, target)
    return count


def _neighbours(
    slots: Sequence[Slot], links: Links
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    before: dict[str, list[str]] = {slot.id: [] for slot in slots}
    after: dict[str, list[str]] = {slot.id: [] for slot in slots}
    for one, other in links:
        after[one].append(other)
        before[other].append(one)
    return before, after


def _first(layers: Layers, after: dict[str, list[str]]) -> Layers:
    """The order in which a walk from the left comes by: what belongs together stands together."""
    met: dict[str, int] = {}
    waiting = [slot.id for layer in reversed(layers) for slot in reversed(layer)]
    while waiting:
        id = waiting.pop()
        if id not in met:
            met[id] = len(met)
            waiting.extend(reversed(after[id]))
    return [sorted(layer, key=lambda slot: (slot.band, met[slot.id])) for layer in layers]


def _sweep(layers: Layers, beside: dict[str, list[str]], rightward: bool) -> Layers:
    found = [list(layer) for layer in layers]
    place = {slot.id: number for layer in found for number, slot in enumerate(layer)}
    for layer in found if rightward else reversed(found):
        weight = {
            slot.id: sum(place[one] for one in beside[slot.id]) / len(beside[slot.id])
            if beside[slot.id]
            else float(place[slot.id])
            for slot in layer
        }
        layer.sort(key=lambda slot: (slot.band, weight[slot.id]))
        place.update({slot.id: number for number, slot in enumerate(layer)})
    return found

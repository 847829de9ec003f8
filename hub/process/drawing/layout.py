"""Where boxes and lines stand: layers from left to right, as few crossings as a sweep finds, long
lines straight, lines back below everything.

The way of Sugiyama, Tagawa and Toda (1981): longest path for the layers, barycentres for the order,
stand-ins where a line passes a layer. Pure and deterministic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

from hub.process.drawing.order import Slot, ordered
from hub.process.drawing.spread import spread

Point = tuple[float, float]

APART = 34.0
"""Between two boxes of a layer, and between two lines below everything: room for an arrow."""
PASSING = 14.0
"""What a line that passes a layer needs of it."""
TRACK = 12.0
"""Between two lines that stand upright beside each other."""
SIDE = 22.0
"""Between a box and the nearest line that stands upright."""


@dataclass(frozen=True, slots=True)
class Box:
    """A node. Lines end at its left and right, `port` below its top; `shape` is the width of what
    is drawn there, in the middle of the box. `band` is its row, for lanes.
    """

    id: str
    width: float
    height: float
    port: float
    shape: float
    band: int = 0
    foot: float = 1000.0
    """How far from its middle a line may leave or reach its bottom: a diamond has one point."""


@dataclass(frozen=True, slots=True)
class Line:
    """From a box to another. One that leads `back` says nothing about the layers."""

    id: str
    source: str
    target: str
    label_width: float = 0.0
    back: bool = False


@dataclass(slots=True)
class Placed:
    """Everything with its place: `boxes` by the middle of their left and right ends' height and by
    their left edge, `lines` as corners, `labels` where a line's label begins, `bands` top and
    height of each row.
    """

    boxes: dict[str, Point] = field(default_factory=dict)
    """Left and top."""
    lines: dict[str, list[Point]] = field(default_factory=dict)
    labels: dict[str, Point] = field(default_factory=dict)
    """Left and base of the text."""
    bands: list[tuple[float, float]] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0


def place(boxes: Sequence[Box], lines: Sequence[Line], *, bands: int = 1) -> Placed:
    """Place everything. Lines that are not `back` make no circle."""
    return _Placing(boxes, lines, bands).placed()


class _Placing:
    def __init__(self, boxes: Sequence[Box], lines: Sequence[Line], bands: int) -> None:
        self.boxes = {box.id: box for box in boxes}
        self.forward = [line for line in lines if not line.back]
        self.back = [line for line in lines if line.back]
        self.bands = bands
        self.rank = _ranks([box.id for box in boxes], self.forward)
        self.slots: dict[str, Slot] = {
            box.id: Slot(box.id, self.rank[box.id], box.band, box.height, box.port) for box in boxes
        }
        self.paths = {line.id: self._path(line) for line in self.forward}
        self.links = [pair for path in self.paths.values() for pair in pairwise(path)]
        self.result = Placed()

    def _path(self, line: Line) -> list[str]:
        """The line by way of stand-ins, one in each layer that it passes."""
        path = [line.source]
        band = self.boxes[line.source].band
        for rank in range(self.rank[line.source] + 1, self.rank[line.target]):
            id = f"{line.id} {rank}"
            self.slots[id] = Slot(id, rank, band, PASSING, PASSING / 2, passing=True)
            path.append(id)
        return [*path, line.target]

    def placed(self) -> Placed:
        layers = ordered(list(self.slots.values()), self.links)
        tops = spread(layers, self.links, APART, self.bands)
        self.top = tops.top
        self.result.bands = tops.bands
        self._columns(layers)
        for line in self.forward:
            self._draw(line)
        self._below()
        for id, box in self.boxes.items():
            self.result.boxes[id] = (self._left(id), self.top[id])
            self.result.height = max(self.result.height, self.top[id] + box.height)
        self._bounds()
        return self.result

    # ------------------------------------------------------------------------------- across

    def _columns(self, layers: Sequence[Sequence[Slot]]) -> None:
        """Each layer's left edge and width, and in each gap where lines turn."""
        self.width = [
            max((self.boxes[s.id].width for s in layer if s.id in self.boxes), default=0.0)
            for layer in layers
        ]
        # lines that lead back leave by the gap to the right of their source and arrive by the one
        # to the left of their target, where something stands below these
        self.leaves = {b.source for b in self.back if not self._free_below(b.source, layers)}
        self.arrives = {b.target for b in self.back if not self._free_below(b.target, layers)}
        self.turn: dict[tuple[str, int], float] = {}
        self.begin_labels: dict[int, float] = {}
        self.left: list[float] = []
        at = 0.0
        for rank, width in enumerate(self.width):
            self.left.append(at)
            at += width + self._gap(rank, at + width)
        self.result.width = at

    def _gap(self, rank: int, begins: float) -> float:
        """Give the lines right of a layer their tracks; how wide the gap is."""
        down: list[str] = []
        up: list[str] = []
        spans: dict[str, list[float]] = {}
        for one, other in self.links:
            if self.slots[one].rank != rank:
                continue
            spans.setdefault(one, [self._port(one)]).append(self._port(other))
        for one, ys in spans.items():
            if max(ys) - min(ys) > 0.5:
                (up if ys[0] - min(ys) > max(ys) - ys[0] else down).append(one)
        # lines that go down turn the earlier the lower they come from, so that they do not cross
        down.sort(key=lambda one: -self._port(one))
        up.sort(key=self._port)
        tracks = 0
        at = begins + SIDE
        low = float("-inf")
        for one in (*down, *up):
            # the next track, unless all that turns here is above this one
            fits = tracks and max(spans[one]) < low - 4 and one in down
            tracks += not fits
            low = min(low if fits else float("inf"), *spans[one])
            self.turn[one, rank] = at + (tracks - 1) * TRACK
        labels = [line.label_width for line in self.forward if self.rank[line.source] == rank]
        leaving = sum(self.rank[id] == rank for id in self.leaves)
        arriving = sum(self.rank[id] == rank + 1 for id in self.arrives)
        for n, id in enumerate(sorted(i for i in self.leaves if self.rank[i] == rank)):
            self.turn[f"leave {id}", rank] = at + (tracks + n) * TRACK
        wide = SIDE + (tracks + leaving) * TRACK
        room = max([26.0, *(width + 16.0 for width in labels)])
        self.begin_labels[rank] = begins + wide - TRACK + 8.0
        for n, id in enumerate(sorted(i for i in self.arrives if self.rank[i] == rank + 1)):
            self.turn[f"arrive {id}", rank] = begins + wide + room - 4.0 + n * TRACK
        return wide + room + arriving * TRACK

    def _port(self, id: str) -> float:
        return self.top[id] + self.slots[id].port

    def _left(self, id: str) -> float:
        rank = self.rank[id]
        return self.left[rank] + (self.width[rank] - self.boxes[id].width) / 2

    def _middle(self, id: str) -> float:
        return self._left(id) + self.boxes[id].width / 2

    # -------------------------------------------------------------------------------- lines

    def _draw(self, line: Line) -> None:
        path = self.paths[line.id]
        points: list[Point] = [
            (self._middle(line.source) + self.boxes[line.source].shape / 2, self._port(path[0]))
        ]
        for one, other in pairwise(path):
            rank = self.slots[one].rank
            here, there = self._port(one), self._port(other)
            if abs(here - there) > 0.5:
                turn = self.turn[one, rank]
                points += [(turn, here), (turn, there)]
        points.append(
            (self._middle(line.target) - self.boxes[line.target].shape / 2, self._port(path[-1]))
        )
        self.result.lines[line.id] = _corners(points)
        if line.label_width:
            rank = self.rank[line.source]
            self.result.labels[line.id] = (self.begin_labels[rank], self._port(path[1]) - 5.0)

    def _free_below(self, id: str, layers: Sequence[Sequence[Slot]]) -> bool:
        layer = layers[self.rank[id]]
        return layer[-1].id == id

    def _below(self) -> None:
        """Lines that lead back, one below the other where they share a stretch."""
        taken: list[tuple[float, float, float]] = []
        exits = {id: 0 for id in self.boxes}
        nearest = partial(_reach, self.rank)
        for line in sorted(self.back, key=nearest):
            start = self._way_down(line.source, exits, "leave", self.rank[line.source], 1)
            end = self._way_down(line.target, exits, "arrive", self.rank[line.target] - 1, -1)
            low, high = sorted((start[-1][0], end[-1][0]))
            ranks = sorted((self.rank[line.source], self.rank[line.target]))
            y = (26.0 if self.bands == 1 else 16.0) + max(
                self.top[id] + slot.height
                for id, slot in self.slots.items()
                if ranks[0] <= slot.rank <= ranks[1]
            )
            for left, right, other in sorted(taken, key=lambda one: one[2]):
                if low < right + 8 and high > left - 8 and abs(other - y) < 22:
                    y = other + 24.0
            taken.append((low, high, y))
            points = [*start, (start[-1][0], y), (end[-1][0], y), *reversed(end)]
            self.result.lines[line.id] = _corners(points)
            middle = (low + high) / 2
            self.result.labels[line.id] = (middle - line.label_width / 2, y - 5.0)
            self.result.height = max(self.result.height, y + 10.0)

    def _way_down(
        self, id: str, exits: dict[str, int], way: str, rank: int, side: int
    ) -> list[Point]:
        """From the bottom of a box to where nothing is in the way."""
        box = self.boxes[id]
        x = self._middle(id) + side * min(16.0 + 12.0 * exits[id], box.shape / 2 - 4.0, box.foot)
        exits[id] += 1
        bottom = self.top[id] + box.height
        key = (f"{way} {id}", rank)
        if key not in self.turn:
            return [(x, bottom)]
        knee = bottom + APART / 2 - 2.0
        return [(x, bottom), (x, knee), (self.turn[key], knee)]

    def _bounds(self) -> None:
        if self.rank:
            self.result.width = self.left[-1] + self.width[-1]
        for points in self.result.lines.values():
            self.result.width = max(self.result.width, *(x for x, _ in points))
            self.result.height = max(self.result.height, *(y for _, y in points))


def _ranks(ids: Sequence[str], lines: Sequence[Line]) -> dict[str, int]:
    """Each box one layer behind the last of those it follows."""
    before: dict[str, list[str]] = {id: [] for id in ids}
    for line in lines:
        before[line.target].append(line.source)
    found: dict[str, int] = {}
    left = list(ids)
    while left:
        ready = [id for id in left if all(one in found for one in before[id])]
        if not ready:
            raise ValueError("the lines make a circle")
        for id in ready:
            found[id] = max((found[one] + 1 for one in before[id]), default=0)
        left = [id for id in left if id not in found]
    return found


def _reach(rank: Mapping[str, int], line: Line) -> tuple[int, str]:
    return abs(rank[line.source] - rank[line.target]), line.id


def _corners(points: Sequence[Point]) -> list[Point]:
    """Without points that lie on a straight line between their neighbours."""
    found: list[Point] = []
    for point in points:
        if found and point == found[-1]:
            continue
        if len(found) > 1:
            (ax, ay), (bx, by) = found[-2], found[-1]
            if (ax == bx == point[0]) or (ay == by == point[1]):
                found[-1] = point
                continue
        found.append(point)
    return found

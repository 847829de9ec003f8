"""Where the shapes of a BPMN diagram stand, in lanes of who has what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hub.process.bpmn.flow import Graph, Node
from hub.process.drawing.layout import Box, Line, Placed, Point, place
from hub.process.drawing.lettering import width, wrapped

TASK = (120.0, 80.0)
EVENT = 36.0
GATEWAY = 50.0
UNDO = (130.0, 78.0)
HEAD = 30.0
"""How wide the heads of the pool and of a lane are."""
TEXT = 11.0
BELOW = 78.0
"""Room below a task for what happens when it is late."""
ROUND = ("startEvent", "endEvent", "terminate", "catch", "throw")


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Left, top, width, height."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Picture:
    """Every shape, label and line, by the id of what it shows."""

    pool: Rectangle
    lanes: Mapping[str, Rectangle]
    shapes: Mapping[str, Rectangle]
    labels: Mapping[str, Rectangle]
    lines: Mapping[str, list[Point]]


def picture(graph: Graph) -> Picture:
    """Lay a graph out."""
    number = {lane: at for at, lane in enumerate(graph.lanes)}
    boxes = [_box(node, number[node.lane]) for node in graph.nodes.values()]
    lines = [
        Line(
            flow.id,
            flow.source,
            flow.target,
            _room(min(width(flow.name, TEXT), 180.0)) if flow.name else 0.0,
            flow.back,
        )
        for flow in graph.flows
    ]
    placed = place(boxes, lines, bands=len(graph.lanes))
    return _moved(graph, {box.id: box for box in boxes}, placed)


def size(node: Node) -> tuple[float, float]:
    """How large a node's shape is."""
    if node.kind in ("userTask", "callActivity"):
        lines = len(wrapped(node.name, TASK[0] - 16, 12.0))
        return TASK[0], max(TASK[1], 34.0 + 15.0 * lines)
    return (GATEWAY, GATEWAY) if node.kind.endswith("Gateway") else (EVENT, EVENT)


def _caption(node: Node) -> list[str]:
    """A name that stands beside the shape, in lines."""
    if node.kind in ("userTask", "callActivity"):
        return []
    return wrapped(node.name, 96.0, TEXT)


def _box(node: Node, band: int) -> Box:
    wide, high = size(node)
    caption = _caption(node)
    room = max([wide, *(width(line, TEXT) for line in caption)])
    letters = len(caption) * 14.0 + (4.0 if caption else 0.0)
    if node.kind.endswith("Gateway"):  # its name stands above, as lines may leave it below
        return Box(node.id, room, high + letters, letters + high / 2, wide, band, foot=0.0)
    below = BELOW if node.step is not None and (node.step.due or node.step.compensation) else 0.0
    if node.step is not None and node.step.compensation:
        room = max(room, wide + UNDO[0])
        below = max(below, UNDO[1] + 34.0)
    return Box(node.id, room, high + letters + below, high / 2, wide, band)


def _moved(graph: Graph, boxes: Mapping[str, Box], placed: Placed) -> Picture:
    low = min([0.0, *(x for points in placed.lines.values() for x, _ in points)])
    right, down = 2 * HEAD + 24.0 - low, 0.0
    shapes: dict[str, Rectangle] = {}
    labels: dict[str, Rectangle] = {}
    for id, node in graph.nodes.items():
        (x, y), box = placed.boxes[id], boxes[id]
        wide, high = size(node)
        top = y + box.port - high / 2 + down
        middle = x + box.width / 2 + right
        shapes[id] = Rectangle(middle - wide / 2, top, wide, high)
        caption = _caption(node)
        if caption:
            across = _room(max(width(line, TEXT) for line in caption))
            letters = len(caption) * 14.0
            above = node.kind.endswith("Gateway")
            labels[id] = Rectangle(
                middle - across / 2, top - letters - 4 if above else top + high + 4, across, letters
            )
        if node.step is not None:
            _attached(node, shapes, labels)
    lines = {id: [(x + right, y + down) for x, y in points] for id, points in placed.lines.items()}
    for flow in graph.flows:
        if flow.name:
            x, y = placed.labels[flow.id]
            across = _room(min(width(flow.name, TEXT), 180.0))
            rows = len(wrapped(flow.name, 180.0, TEXT))
            labels[flow.id] = Rectangle(
                x + right, y - 10.0 - 14.0 * (rows - 1), across, 14.0 * rows
            )
    across = placed.width + right + 24.0
    deep = max([sum(placed.bands[-1]), *(y + 20.0 for ps in lines.values() for _, y in ps)])
    lanes = {}
    for lane, (top, high) in zip(graph.lanes, placed.bands, strict=True):
        last = lane == graph.lanes[-1]
        lanes[lane] = Rectangle(HEAD, top, across - HEAD, deep - top if last else high)
    return Picture(Rectangle(0.0, 0.0, across, deep), lanes, shapes, labels, lines)


def _room(across: float) -> float:
    """A label's width: viewers have letters of their own, and break what does not fit."""
    return across * 1.3 + 8.0


def _attached(node: Node, shapes: dict[str, Rectangle], labels: dict[str, Rectangle]) -> None:
    """What hangs at a task: its due on the lower edge with what follows, and how it is undone."""
    task, half = shapes[node.id], EVENT / 2
    bottom = task.y + task.height
    step = node.step
    if step is None:
        return
    if step.due is not None and node.kind in ("userTask", "callActivity"):
        x = task.x + 8.0
        shapes[f"due_{node.id}"] = Rectangle(x, bottom - half, EVENT, EVENT)
        shapes[f"late_{node.id}"] = Rectangle(x, bottom + half + 6.0, EVENT, EVENT)
        labels[f"late_{node.id}"] = Rectangle(x - 15.0, bottom + half + EVENT + 8.0, 66.0, 14.0)
    if step.compensation is not None:
        x = task.x + task.width - EVENT - 8.0
        shapes[f"undo_{node.id}"] = Rectangle(x, bottom - half, EVENT, EVENT)
        shapes[f"undone_{node.id}"] = Rectangle(x - 6.0, bottom + half + 10.0, *UNDO)

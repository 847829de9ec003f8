"""A process, or a case of it, as an SVG: no script, nothing from outside, light or dark as the
reader's system is, and its words as text that can be found, copied and read aloud.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from hub.process.drawing.layout import Point
from hub.process.drawing.sketch import (
    AFTER,
    LEADING,
    LINE_TEXT,
    PAD,
    ROUND,
    SIGN,
    SIZES,
    Card,
    Sketch,
    State,
    sketch,
)
from hub.process.drawing.style import ICONS, STYLE
from hub.process.model import ProcessDefinition

MARGIN = 16.0
BEND = 6.0
"""How round the corners of lines are."""


def diagram(
    process: ProcessDefinition,
    *,
    states: Mapping[str, State] | None = None,
    titles: Mapping[str, str] | None = None,
    people: Mapping[str, str] | None = None,
    styled: bool = True,
) -> str:
    """The picture. `states` by step key show how far a case is, in words and in colour. Without
    `styled` it relies on a page that has `STYLE`, whose policy may not let a picture bring its own.
    """
    return _Drawing(sketch(process, states, titles, people)).text(process, styled)


class _Drawing:
    def __init__(self, drawn: Sketch) -> None:
        self.drawn = drawn
        placed = drawn.placed
        inset = [x for points in placed.lines.values() for x, _ in points]
        self.low = min([0.0, *inset])
        self.wide = placed.width - self.low + 2 * MARGIN
        self.high = placed.height + 2 * MARGIN

    def text(self, process: ProcessDefinition, styled: bool) -> str:
        parts = [
            '<svg xmlns="http://www.w3.org/2000/svg" class="process-diagram" role="img"'
            f' width="{_n(self.wide)}" height="{_n(self.high)}"'
            f' viewBox="{_n(self.low - MARGIN)} {_n(-MARGIN)} {_n(self.wide)} {_n(self.high)}"'
            ' aria-labelledby="pd-title pd-about">',
            f'<title id="pd-title">{escape(process.title)}</title>',
            f'<desc id="pd-about">{escape(self.about(process))}</desc>',
        ]
        if styled:
            parts.append(f"<style>{STYLE}</style>")
        parts.append(
            '<defs><marker id="pd-arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7"'
            ' markerHeight="7" orient="auto-start-reverse"><path class="pd-tip"'
            ' d="M0 1 9 5 0 9z"/></marker></defs>'
        )
        if styled:
            parts.append(
                f'<rect class="pd-back" x="{_n(self.low - MARGIN)}" y="{_n(-MARGIN)}"'
                f' width="{_n(self.wide)}" height="{_n(self.high)}"/>'
            )
        parts += self.lines()
        for id, card in self.drawn.cards.items():
            parts += self.card(card, self.drawn.placed.boxes[id])
        parts.append("</svg>\n")
        return "\n".join(parts)

    def about(self, process: ProcessDefinition) -> str:
        steps = [card.about for card in self.drawn.cards.values() if card.id.startswith("step ")]
        said = f"{process.description.strip()} " if process.description else ""
        return f"{said}{len(steps)} steps. " + " ".join(
            f"{number}. {one}" for number, one in enumerate(steps, 1)
        )

    # -------------------------------------------------------------------------------- lines

    def lines(self) -> Iterator[str]:
        texts = []
        for id, points in self.drawn.placed.lines.items():
            line = self.drawn.lines[id]
            kind = "pd-line pd-again" if line.back else "pd-line"
            stop = line.target.startswith("stop ")
            kind += " pd-ends" if stop else ""
            yield f'<path class="{kind}" marker-end="url(#pd-arrow)" d="{_rounded(points)}"/>'
            if text := self.drawn.labels.get(id):
                x, y = self.drawn.placed.labels[id]
                shown = f"↺ {text}" if line.back else text
                x -= 8.0 if line.back else 0.0
                texts.append(
                    f'<text class="pd-label" font-size="{_n(LINE_TEXT)}" x="{_n(x)}"'
                    f' y="{_n(y)}">{escape(shown)}</text>'
                )
        yield from texts

    # -------------------------------------------------------------------------------- cards

    def card(self, card: Card, at: Point) -> Iterator[str]:
        x, y = at
        state = f" is-{card.state.word}" if card.state else ""
        outside = " pd-outside" if card.outside else ""
        yield f'<g class="pd-{card.kind}{state}{outside}"><title>{escape(card.about)}</title>'
        if card.kind in ROUND:
            yield from self.sign(card, x + card.width / 2, y + SIGN / 2)
            yield from self.words(card, x + card.width / 2, y + SIGN + 6.0, middle=True)
        else:
            radius = 10 if card.kind != "process" else 4
            yield (
                f'<rect class="pd-card" x="{_n(x)}" y="{_n(y)}" width="{_n(card.width)}"'
                f' height="{_n(card.height)}" rx="{radius}"/>'
            )
            yield from self.words(card, x + PAD, y + PAD, middle=False)
            for number, mark in enumerate(card.marks):
                shift = (number - (len(card.marks) - 1) / 2) * 20.0
                yield _icon(mark, x + card.width / 2 - 7 + shift, y + card.height - 20)
        yield "</g>"

    def sign(self, card: Card, x: float, y: float) -> Iterator[str]:
        radius = SIGN / 2 - 3
        rings = {"wait": (radius + 2, radius - 2), "milestone": (radius + 2, radius - 2)}
        for ring in rings.get(card.kind, (radius,)):
            yield f'<circle class="pd-sign" cx="{_n(x)}" cy="{_n(y)}" r="{_n(ring)}"/>'
        if card.kind == "stop":
            yield f'<circle class="pd-full" cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius - 6)}"/>'
        elif card.kind in ("wait", "milestone"):
            yield _icon(card.kind, x - 8, y - 8, 16)

    def words(self, card: Card, x: float, y: float, *, middle: bool) -> Iterator[str]:
        for one in card.words:
            if not one.lines:
                continue
            size, leading = SIZES[one.kind], LEADING[one.kind]
            left = x
            if not middle and one.kind == "title":
                yield _icon(card.kind, x, y + 1, 15)
                left += 22.0
            elif not middle and one.icon:
                yield _icon(one.icon, x, y + (leading - 11) / 2, 11, one.icon)
                left += 16.0
            spans = "".join(
                f'<tspan x="{_n(left)}" y="{_n(y + leading * number + size)}">'
                f"{escape(line)}</tspan>"
                for number, line in enumerate(one.lines)
            )
            anchor = ' text-anchor="middle"' if middle else ""
            # the lines of a paragraph are one text, with what a reader needs between them
            spans = spans.replace("</tspan><tspan", " </tspan><tspan")
            yield f'<text class="pd-{one.kind}" font-size="{_n(size)}"{anchor}>{spans}</text>'
            y += leading * len(one.lines) + AFTER[one.kind]


def _icon(name: str, x: float, y: float, size: float = 14, kind: str = "") -> str:
    scale = size / 16
    drawn = ICONS.get(name) or ICONS["state"]
    return (
        f'<path class="pd-icon{f" pd-icon-{kind}" if kind else ""}" aria-hidden="true"'
        f' transform="translate({_n(x)} {_n(y)}) scale({_n(scale)})" d="{drawn}"/>'
    )


def _rounded(points: list[Point]) -> str:
    """A path along the points, its corners cut round."""
    parts = [f"M{_n(points[0][0])} {_n(points[0][1])}"]
    for before, here, after in zip(points, points[1:], points[2:], strict=False):
        bend = min(BEND, _far(before, here) / 2, _far(here, after) / 2)
        into, out = _toward(here, before, bend), _toward(here, after, bend)
        parts.append(f"L{_n(into[0])} {_n(into[1])}")
        parts.append(f"Q{_n(here[0])} {_n(here[1])} {_n(out[0])} {_n(out[1])}")
    parts.append(f"L{_n(points[-1][0])} {_n(points[-1][1])}")
    return "".join(parts)


def _far(one: Point, other: Point) -> float:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def _toward(here: Point, there: Point, by: float) -> Point:
    far = _far(here, there) or 1.0
    return (
        here[0] + (there[0] - here[0]) * by / far,
        here[1] + (there[1] - here[1]) * by / far,
    )


def _n(value: float) -> str:
    """A number as short as it can be, the same everywhere."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text

"""The sandbox in a browser: the sheets as a person sees them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from connectors.google_sheets.sandbox_grid import Box, Tab, letters, text_of

STYLE = (
    "body{font:14px/1.4 system-ui,sans-serif;margin:2rem;color:#202124}"
    "table{border-collapse:collapse;margin-bottom:2rem}"
    "td,th{border:1px solid #dadce0;padding:.3rem .6rem;text-align:left}"
    "th{background:#f8f9fa;color:#5f6368;font-weight:400}tr.top td{font-weight:600}"
    "td.number{text-align:right}"
)


def page(tabs: Sequence[Tab], title: str) -> str:
    """The whole spreadsheet as HTML."""
    parts = "".join(_table(tab) for tab in tabs)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        f"<meta name=viewport content='width=device-width'><style>{STYLE}</style>"
        f"<h1>{escape(title)}</h1>{parts}</html>"
    )


def _table(tab: Tab) -> str:
    width = tab.width()
    head = "".join(f"<th>{letters(column)}</th>" for column in range(1, width + 1))
    lines = []
    for number in range(1, tab.lines() + 1):
        boxes = tab.boxes[number - 1]
        cells = "".join(_cell(box) for box in [*boxes, *[Box()] * (width - len(boxes))])
        top = " class=top" if number == 1 else ""
        lines.append(f"<tr{top}><th>{number}</th>{cells}</tr>")
    return f"<h2>{escape(tab.title)}</h2><table><tr><th></th>{head}</tr>{''.join(lines)}</table>"


def _cell(box: Box) -> str:
    number = isinstance(box.value, int | float) and not isinstance(box.value, bool)
    tip = f" title='{escape(box.formula, quote=True)}'" if box.formula else ""
    return f"<td{' class=number' if number else ''}{tip}>{escape(text_of(box))}</td>"

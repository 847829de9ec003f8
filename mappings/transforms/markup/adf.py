"""Atlassian Document Format as Markdown: what people read elsewhere of a Jira text.

Formatting that Markdown has is kept; of everything else (panels, media, unknown nodes) the text
stays. `mappings.transforms.markup.document` is the way back, and both ways together change nothing
more: what one wrote the other reads the same.

https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mappings.transforms.markup.document import to_adf
from mappings.transforms.markup.inline import Span, escaped, spans_text

Node = Mapping[str, Any]

_SETTLES = 8
"""How often a text is read again until it reads as it is written."""
_DEPTH = 60
"""Nodes nested deeper than this are read as plain text."""
_BLOCK_START = re.compile(
    r"(#{1,6}(?:\s|$)|>|[-*+](?:\s|$)|\d{1,9}[.)](?:\s|$)|```|~~~|(?:[-*_]\s*){3,}$|\||<!--)"
)
_MARKS = {"strong": "bold", "em": "italic", "strike": "strike", "code": "code"}


def to_markdown(document: Any) -> str | None:
    """The text of a document, None for none. A plain text passes as it is (webhooks send such)."""
    if document is None:
        return None
    if isinstance(document, str):
        return document or None
    text = _shown(document)
    for _ in range(_SETTLES):
        again = _shown(to_adf(text) or {})
        if again == text:
            break
        text = again  # signs that touch each other were read otherwise: say it so at once
    return text or None


def _shown(document: Any) -> str:
    return _blocks(_content(document), 0).strip("\n")


def _content(node: Any) -> list[Node]:
    content = node.get("content") if isinstance(node, Mapping) else None
    if not isinstance(content, list):
        return []
    return [part for part in content if isinstance(part, Mapping)]


def _attrs(node: Node) -> Mapping[str, Any]:
    attrs = node.get("attrs")
    return attrs if isinstance(attrs, Mapping) else {}


def _blocks(nodes: Sequence[Node], depth: int) -> str:
    parts: list[str] = []
    previous = ""
    for node in nodes:
        kind = str(node.get("type", ""))
        text = _block(node, kind, depth)
        if not text:
            continue
        # two lists of a kind in a row would read as one
        apart = "\n\n<!-- -->\n\n" if kind == previous and kind.endswith("List") else "\n\n"
        parts += [apart if parts else "", text]
        previous = kind
    return "".join(parts)


def _block(node: Node, kind: str, depth: int) -> str:
    if depth > _DEPTH:
        return _lines(escaped(_words(node)))
    inside = _content(node)
    if kind == "paragraph":
        return _lines(_inline(inside))
    if kind == "heading":
        level = _attrs(node).get("level", 1)
        level = level if isinstance(level, int) and 1 <= level <= 6 else 1
        text = _inline(inside).replace("\n", " ").strip()
        return f"{'#' * level} {text}" if text else ""
    if kind in ("bulletList", "orderedList", "taskList", "decisionList"):
        return _list(node, kind, inside, depth)
    if kind == "codeBlock":
        return _code(node, inside)
    if kind == "blockquote":
        text = _blocks(inside, depth + 1)
        return "\n".join(f"> {line}".rstrip() for line in text.split("\n")) if text else ""
    if kind == "rule":
        return "---"
    if kind == "table":
        return _table(inside, depth)
    if kind == "expand" and _attrs(node).get("title"):
        return f"{escaped(str(_attrs(node)['title']))}\n\n{_blocks(inside, depth + 1)}".strip()
    if inside and any(_is_inline(part) for part in inside):
        return _lines(_inline(inside))
    if inside:
        return _blocks(inside, depth + 1)
    return _lines(_inline([node]))


def _is_inline(node: Node) -> bool:
    return node.get("type") in ("text", "hardBreak", "mention", "emoji", "inlineCard", "date")


def _lines(text: str) -> str:
    """A paragraph whose lines do not look like the beginning of another block."""
    kept = []
    for line in text.split("\n"):
        line = line.strip(" \t")
        if _BLOCK_START.match(line):
            number = re.match(r"\d+", line)
            cut = number.end() if number else 0
            line = f"{line[:cut]}\\{line[cut:]}"
        kept.append(line)
    return "\n".join(line for line in kept if line)


def _list(node: Node, kind: str, items: Sequence[Node], depth: int) -> str:
    start = _attrs(node).get("order", 1)
    number = start if isinstance(start, int) and 0 <= start < 10**8 else 1
    lines: list[str] = []
    for item in items:
        sign = "- "
        if kind == "orderedList":
            sign = f"{number}. "
            number += 1
        elif kind == "taskList":
            sign = "- [x] " if _attrs(item).get("state") == "DONE" else "- [ ] "
        text = (
            _lines(_inline(_content(item)))
            if any(_is_inline(part) for part in _content(item))
            else _item(_content(item), depth + 1)
        )
        indent = " " * (2 if kind != "orderedList" else len(sign))
        first, *rest = text.split("\n")
        lines.append(f"{sign}{first}".rstrip())
        lines += [f"{indent}{line}".rstrip() for line in rest]
    return "\n".join(lines)


def _item(nodes: Sequence[Node], depth: int) -> str:
    """The inside of a list item; a list below its first line stands without a gap."""
    parts: list[str] = []
    for node in nodes:
        kind = str(node.get("type", ""))
        text = _block(node, kind, depth)
        if text:
            tight = len(parts) == 1 and kind.endswith("List")
            parts.append(("\n" if tight else "\n\n") + text if parts else text)
    return "".join(parts)


def _code(node: Node, inside: Sequence[Node]) -> str:
    text = "".join(str(part.get("text", "")) for part in inside)
    fence = "```"
    while fence in text:
        fence += "`"
    language = _attrs(node).get("language")
    name = language if isinstance(language, str) and re.fullmatch(r"[\w+#.-]+", language) else ""
    return f"{fence}{name}\n{text}\n{fence}"


def _table(rows: Sequence[Node], depth: int) -> str:
    """Cells as text, one row a line."""
    lines = []
    for row in rows:
        cells = [
            " ".join(_blocks(_content(cell), depth + 1).replace("|", "\\|").split())
            for cell in _content(row)
        ]
        if cells:
            lines.append(f"| {' | '.join(cells)} |")
        if len(lines) == 1:
            lines.append(f"|{' --- |' * len(cells)}")
    return "\n".join(lines)


def _inline(nodes: Sequence[Node]) -> str:
    return spans_text([_span(node) for node in nodes])


def _words(node: Node) -> str:
    """All the text in a node, whatever it is nested in."""
    found: list[str] = []
    left: list[Node] = [node]
    while left:
        here = left.pop()
        if isinstance(text := here.get("text"), str):
            found.append(text)
        left += reversed(_content(here))
    return " ".join(" ".join(found).split())


def _span(node: Node) -> Span:
    kind, attrs = node.get("type"), _attrs(node)
    if kind == "text":
        marks: set[str] = set()
        href = None
        for mark in node.get("marks") or []:
            if isinstance(mark, Mapping):
                marks |= {_MARKS[name] for name in [mark.get("type")] if name in _MARKS}
                if mark.get("type") == "link":
                    href = str(_attrs(mark).get("href") or "") or None
        return Span(str(node.get("text", "")), frozenset(marks), href)
    if kind == "hardBreak":
        return Span("\n")
    if kind == "mention":
        name = str(attrs.get("text") or "").removeprefix("@") or str(attrs.get("id") or "")
        return Span(f"@{name}", mention=str(attrs.get("id") or "") or None)
    if kind == "emoji":
        return Span(str(attrs.get("text") or attrs.get("shortName") or ""))
    if kind in ("inlineCard", "blockCard", "embedCard"):
        return Span(str(attrs.get("url") or ""))
    if kind == "date":
        return Span(_day(attrs.get("timestamp")))
    if _content(node):
        return Span(_words(node))
    return Span(str(attrs.get("text") or attrs.get("alt") or node.get("text") or ""))


def _day(timestamp: Any) -> str:
    try:
        return datetime.fromtimestamp(int(timestamp) / 1000, UTC).date().isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return ""

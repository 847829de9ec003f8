"""Markdown as plain text, for tools that show signs as they are, and plain text as Markdown that
reads the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mappings.transforms.markup import adf
from mappings.transforms.markup.document import to_adf

Node = dict[str, Any]


def to_plain(text: str) -> str:
    """Markdown without its signs: lists keep a dash or number, links their address."""
    document = to_adf(text)
    return "\n\n".join(_blocks(document["content"])) if document else ""


def to_markdown(text: str) -> str:
    """Plain text as Markdown: nothing in it is taken for a sign. White space at either end of a
    line goes, and of several empty lines one stays.
    """
    clean = text.replace("\r\n", "\n").replace("\r", "\n")
    content: list[Node] = []
    lines: list[str] = []
    for line in [*clean.split("\n"), ""]:
        if line.strip():
            lines.append(line.strip())
        elif lines:
            content.append({"type": "paragraph", "content": list(_broken(lines))})
            lines = []
    return adf.to_markdown({"type": "doc", "version": 1, "content": content}) or ""


def _broken(lines: list[str]) -> Iterator[Node]:
    for number, line in enumerate(lines):
        if number:
            yield {"type": "hardBreak"}
        yield {"type": "text", "text": line}


def _blocks(nodes: list[Node]) -> list[str]:
    return [text for node in nodes if (text := _block(node))]


def _block(node: Node) -> str:
    kind, inside = node["type"], node.get("content", [])
    if kind in ("bulletList", "orderedList"):
        return _list(node, inside)
    if kind == "blockquote":
        text = "\n\n".join(_blocks(inside))
        return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))
    if kind == "table":
        rows = ([_line(cell["content"][0]) for cell in row["content"]] for row in inside)
        return "\n".join(" | ".join(row) for row in rows)
    if kind == "rule":
        return "---"
    return _line(node)


def _list(node: Node, items: list[Node]) -> str:
    number = node.get("attrs", {}).get("order", 1)
    lines: list[str] = []
    for place, item in enumerate(items):
        sign = "- " if node["type"] == "bulletList" else f"{number + place}. "
        text = "\n".join(_blocks(item["content"]))
        first, *rest = text.split("\n")
        lines += [
            f"{sign}{first}".rstrip(),
            *(f"{' ' * len(sign)}{line}".rstrip() for line in rest),
        ]
    return "\n".join(lines)


def _line(node: Node) -> str:
    """The text of a paragraph, heading or code, with the address after the text of a link."""
    parts: list[str] = []
    address = ""
    for part in [*node.get("content", []), {"type": "end"}]:
        marks = {mark["type"]: mark for mark in part.get("marks", [])}
        target = str(marks["link"]["attrs"]["href"]) if "link" in marks else ""
        if address and target != address:
            said = parts[-1].removeprefix("mailto:")
            if said not in (address, address.removeprefix("mailto:")):
                parts.append(f" ({address})")
        address = target
        if part["type"] == "hardBreak":
            parts.append("\n")
        elif part["type"] == "mention":
            parts.append(str(part["attrs"]["text"]))
        else:
            parts.append(str(part.get("text", "")))
    return "".join(parts)

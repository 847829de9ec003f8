"""Markdown as a document: a tree of blocks in Atlassian Document Format, which Jira and Confluence
take as it is and `mappings.transforms.markup.plain` reads.

Blocks: paragraphs, headings, lists (nested), code, quotes, rules and tables. A line break within a
paragraph stays one, as in chats and GitHub comments. Whatever is not understood stays as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mappings.transforms.markup.inline import Span, parse

Node = dict[str, Any]

_DEPTH = 30
"""Blocks nested deeper than this become text."""
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([\w+#.-]*)")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(?=\S)")
_RULE = re.compile(r"^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$")
_ITEM = re.compile(r"^( {0,3})([-*+]|\d{1,9}[.)])(?:( {1,4})(?=\S)|[ \t]*$)")
_ROW = re.compile(r"^ {0,3}\|.*\|[ \t]*$")
_DASHES = re.compile(r"^ {0,3}\|(?:[ \t]*:?-+:?[ \t]*\|)+[ \t]*$")
_MARKS = {"bold": "strong", "italic": "em", "strike": "strike", "code": "code"}


def to_adf(text: str | None) -> Node | None:
    """A document Jira takes, or None for an empty text."""
    if text is None or not text.strip():
        return None
    clean = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    return {"type": "doc", "version": 1, "content": _blocks(clean.split("\n"), 0)}


def _blocks(lines: list[str], depth: int) -> list[Node]:
    nodes: list[Node] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip() or line.strip() == "<!-- -->":
            at += 1
            continue
        found = _special(lines, at, depth)
        if found is None:
            end = at + 1
            while end < len(lines) and not _ends_paragraph(lines[end]):
                end += 1
            found = _paragraph(lines[at:end]), end
        node, at = found
        nodes.append(node)
    return nodes or [{"type": "paragraph", "content": []}]


def _ends_paragraph(line: str) -> bool:
    return (
        not line.strip()
        or bool(_fence(line) or _HEADING.match(line) or _RULE.match(line))
        or bool(_ITEM.match(line) or _ROW.match(line))
        or line.lstrip().startswith(">")
    )


def _fence(line: str) -> re.Match[str] | None:
    found = _FENCE.match(line)
    return found if found and "`" not in line[found.end() :] else None


def _title(text: str) -> str:
    """A heading without the signs that may close it."""
    bare = text.rstrip("#")
    return bare.rstrip(" \t") if bare.endswith((" ", "\t")) else text


def _special(lines: list[str], at: int, depth: int) -> tuple[Node, int] | None:
    """The block that begins here and the line after it; None for a paragraph."""
    line = lines[at]
    if fence := _fence(line):
        return _code(lines, at, fence)
    if heading := _HEADING.match(line):
        inside = _inline(_title(line[heading.end() :].rstrip(" \t")))
        return {"type": "heading", "attrs": {"level": len(heading[1])}, "content": inside}, at + 1
    if _RULE.match(line):
        return {"type": "rule"}, at + 1
    if _ROW.match(line) and at + 1 < len(lines) and _DASHES.match(lines[at + 1]):
        return _table(lines, at)
    if depth < _DEPTH and line.lstrip(" ").startswith(">"):
        end = at
        while end < len(lines) and lines[end].lstrip(" ").startswith(">"):
            end += 1
        inner = [re.sub(r"^ *> ?", "", one) for one in lines[at:end]]
        quoted = [_allowed_in_quote(node) for node in _blocks(inner, depth + 1)]
        return {"type": "blockquote", "content": quoted}, end
    if depth < _DEPTH and _ITEM.match(line):
        return _list(lines, at, depth)
    return None


def _allowed_in_quote(node: Node) -> Node:
    """A quote holds paragraphs, lists and code; of anything else its text."""
    if node["type"] in ("paragraph", "bulletList", "orderedList", "codeBlock"):
        return node
    return {"type": "paragraph", "content": list(_flat(node))}


def _allowed_in_item(node: Node) -> Node:
    return _allowed_in_quote(node)


def _flat(node: Node) -> Iterator[Node]:
    if node["type"] in ("text", "hardBreak", "mention"):
        yield node
    for number, part in enumerate(node.get("content", [])):
        if number and part["type"] not in ("text", "hardBreak", "mention"):
            yield {"type": "hardBreak"}
        yield from _flat(part)


def _code(lines: list[str], at: int, fence: re.Match[str]) -> tuple[Node, int]:
    sign = fence[1]
    closing = re.compile(rf"^ {{0,3}}{re.escape(sign[0])}{{{len(sign)},}}[ \t]*$")
    end = at + 1
    while end < len(lines) and not closing.match(lines[end]):
        end += 1
    text = "\n".join(lines[at + 1 : end])
    # Jira refuses a text of nothing but line breaks
    told = [{"type": "text", "text": text}] if text.strip("\n") else []
    node: Node = {"type": "codeBlock", "content": told}
    if fence[2]:
        node["attrs"] = {"language": fence[2]}
    return node, min(end + 1, len(lines))


def _list(lines: list[str], at: int, depth: int) -> tuple[Node, int]:
    first = _ITEM.match(lines[at])
    assert first is not None  # noqa: S101 - the caller looked
    ordered = first[2][0].isdigit()
    items: list[Node] = []
    while at < len(lines):
        item = _ITEM.match(lines[at])
        if item is None or item[2][0].isdigit() != ordered or _RULE.match(lines[at]):
            break
        width = len(item[1]) + len(item[2]) + len(item[3] or " ")
        inner = [lines[at][item.end() :]]
        at += 1
        while at < len(lines):
            line = lines[at]
            indent = len(line) - len(line.lstrip(" "))
            if not line.strip():
                after = at + 1
                while after < len(lines) and not lines[after].strip():
                    after += 1
                if after == len(lines):
                    break
                if len(lines[after]) - len(lines[after].lstrip(" ")) < width:
                    break
                inner += [""] * (after - at)
                at = after
                continue
            if indent >= width:
                inner.append(line[width:])
            else:
                break
            at += 1
        content = [_allowed_in_item(node) for node in _blocks(inner, depth + 1)]
        if content[0]["type"] not in ("paragraph", "codeBlock"):
            content.insert(0, {"type": "paragraph", "content": []})
        items.append({"type": "listItem", "content": content})
        ahead = at
        while ahead < len(lines) and not lines[ahead].strip():
            ahead += 1
        following = _ITEM.match(lines[ahead]) if ahead < len(lines) else None
        if following and following[2][0].isdigit() == ordered:
            at = ahead
    if not ordered:
        return {"type": "bulletList", "content": items}, at
    start = int(first[2][:-1])
    node: Node = {"type": "orderedList", "content": items}
    if start != 1:
        node["attrs"] = {"order": start}
    return node, at


def _table(lines: list[str], at: int) -> tuple[Node, int]:
    rows: list[Node] = []
    end = at
    while end < len(lines) and _ROW.match(lines[end]):
        if end != at + 1:
            cells = re.split(r"(?<!\\)\|", lines[end].strip())[1:-1]
            kind = "tableHeader" if end == at else "tableCell"
            rows.append(
                {
                    "type": "tableRow",
                    "content": [
                        {"type": kind, "content": [_paragraph([cell.replace("\\|", "|")])]}
                        for cell in cells
                    ],
                }
            )
        end += 1
    return {"type": "table", "content": rows}, end


def _paragraph(lines: list[str]) -> Node:
    return {"type": "paragraph", "content": _inline("\n".join(line.strip() for line in lines))}


def _inline(text: str) -> list[Node]:
    nodes: list[Node] = []
    for span in parse(text):
        if span.mention:
            attrs = {"id": span.mention, "text": span.text}
            nodes.append({"type": "mention", "attrs": attrs})
            continue
        for number, line in enumerate(span.text.split("\n")):
            if number:
                nodes.append({"type": "hardBreak"})
            if line:
                nodes.append(_text(line, span))
    return nodes


def _text(text: str, span: Span) -> Node:
    marks: list[Node] = [{"type": _MARKS[name]} for name in sorted(span.marks)]
    if span.href:
        marks.append({"type": "link", "attrs": {"href": span.href}})
    return {"type": "text", "text": text, **({"marks": marks} if marks else {})}

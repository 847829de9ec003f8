"""Whether Jira would take a document: which nodes may stand in which, with which marks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_INLINE = frozenset({"text", "hardBreak", "mention", "emoji", "inlineCard", "date", "status"})
_LISTS = frozenset({"bulletList", "orderedList"})
_IN_ITEM = _LISTS | {"paragraph", "codeBlock", "mediaSingle"}
_INSIDE: Mapping[str, frozenset[str]] = {
    "doc": _LISTS
    | {"paragraph", "heading", "codeBlock", "blockquote", "rule", "table", "panel", "expand"}
    | {"mediaSingle", "taskList", "decisionList"},
    "paragraph": _INLINE,
    "heading": _INLINE,
    "codeBlock": frozenset({"text"}),
    "blockquote": _LISTS | {"paragraph", "codeBlock"},
    "bulletList": frozenset({"listItem"}),
    "orderedList": frozenset({"listItem"}),
    "listItem": _IN_ITEM,
    "panel": _LISTS | {"paragraph", "heading", "codeBlock", "rule"},
    "expand": _LISTS | {"paragraph", "heading", "codeBlock", "blockquote", "panel", "rule"},
    "table": frozenset({"tableRow"}),
    "tableRow": frozenset({"tableHeader", "tableCell"}),
    "tableHeader": _LISTS | {"paragraph", "heading", "codeBlock", "blockquote", "rule", "panel"},
    "tableCell": _LISTS | {"paragraph", "heading", "codeBlock", "blockquote", "rule", "panel"},
    "taskList": frozenset({"taskItem", "taskList"}),
    "taskItem": _INLINE,
    "mediaSingle": frozenset({"media"}),
}
_LEAVES: Mapping[str, frozenset[str]] = {
    "hardBreak": frozenset(),
    "rule": frozenset(),
    "mention": frozenset({"id"}),
    "emoji": frozenset({"shortName"}),
    "inlineCard": frozenset({"url"}),
    "date": frozenset({"timestamp"}),
    "status": frozenset({"text", "color"}),
    "media": frozenset({"id", "type", "collection"}),
}
_MARKS = frozenset({"strong", "em", "strike", "code", "link", "underline", "textColor", "subsup"})
_NEEDS_CONTENT = (
    _LISTS
    | {"blockquote", "table", "tableRow", "tableCell", "tableHeader"}
    | {
        "listItem",
        "panel",
    }
)


def valid(document: Any) -> bool:
    """Whether it is a document as the schema has it."""
    return (
        isinstance(document, dict)
        and document.get("type") == "doc"
        and document.get("version") == 1
        and not document.keys() - {"type", "version", "content"}
        and _node(document)
    )


def _node(node: Any) -> bool:
    if not isinstance(node, dict) or node.keys() - {"type", "content", "attrs", "text", "marks"} - {
        "version"
    }:
        return False
    kind = str(node.get("type"))
    attrs = node.get("attrs", {})
    if not isinstance(attrs, dict):
        return False
    if kind == "text":
        return _text(node)
    if kind in _LEAVES:
        return "content" not in node and _LEAVES[kind] <= attrs.keys()
    if kind not in _INSIDE or not isinstance(node.get("content", []), list):
        return False
    inside = node.get("content", [])
    if kind in _NEEDS_CONTENT and not inside:
        return False
    if kind == "heading" and attrs.get("level") not in range(1, 7):
        return False
    if kind == "listItem" and inside[0].get("type") not in ("paragraph", "codeBlock"):
        return False
    return all(
        isinstance(part, dict) and part.get("type") in _INSIDE[kind] and _node(part)
        for part in inside
    ) and not (kind == "codeBlock" and any("marks" in part for part in inside))


def _text(node: Mapping[str, Any]) -> bool:
    text, marks = node.get("text"), node.get("marks", [])
    if not isinstance(text, str) or not text or ("\n" in text and not text.strip("\n")):
        return False
    names = [mark.get("type") for mark in marks if isinstance(mark, dict)]
    if len(names) != len(marks) or not set(names) <= _MARKS or len(set(names)) < len(names):
        return False
    for mark in marks:
        if mark["type"] == "link" and not str(mark.get("attrs", {}).get("href") or ""):
            return False
    return "code" not in names or set(names) <= {"code", "link"}

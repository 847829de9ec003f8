"""Texts in Jira: what is a document, and when two of them say the same. What people read of one is
the mapping's affair (`as: adf`).

https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Node = Mapping[str, Any]

_DEPTH = 200
_LEFT_OUT: tuple[Any, ...] = ("", None, [], {})
_TOLD = ("language", "order", "level", "href")
"""Attributes that change what people see wherever they are missing."""


def document(value: Any) -> Any:
    """Atlassian Document Format, or null. Raises ValueError."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or value.get("type") != "doc" or value.get("version") != 1:
        raise ValueError(
            "wants a document: {type: doc, version: 1, content: […]}, as `as: adf` in the mapping "
            "makes of Markdown"
        )
    return dict(value)


def of_text(text: str | None) -> Any:
    """A document that says a plain text, None for none: a paragraph for each part between empty
    lines.
    """
    if not text or not text.strip():
        return None
    parts = [part.strip("\n") for part in text.split("\n\n") if part.strip()]
    return {"type": "doc", "version": 1, "content": [_paragraph(part) for part in parts]}


def _paragraph(text: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    for number, line in enumerate(text.split("\n")):
        if number:
            content.append({"type": "hardBreak"})
        if line:
            content.append({"type": "text", "text": line})
    return {"type": "paragraph", "content": content}


def text_of(document: Any) -> str | None:
    """The words of a document without its looks, None for none."""
    if not isinstance(document, Mapping):
        return None
    blocks = [_words(block) for block in _content(document)]
    return "\n\n".join(block for block in blocks if block) or None


def _words(node: Node) -> str:
    found: list[str] = []
    left: list[Node] = [node]
    while left:
        here = left.pop()
        if here.get("type") == "hardBreak":
            found.append("\n")
        attrs = here.get("attrs")
        said = here.get("text") or (attrs.get("text") if isinstance(attrs, Mapping) else None)
        found.append(str(said or ""))
        left += reversed(_content(here))
    return "".join(found)


def _content(node: Node) -> list[Node]:
    content = node.get("content")
    found = content if isinstance(content, list) else []
    return [part for part in found if isinstance(part, Mapping)]


def alike(wanted: Any, held: Any, depth: int = 0) -> bool:
    """Whether Jira holds this document: it adds ids and widths, and joins or splits runs of text
    of one look.
    """
    if not isinstance(wanted, Mapping) or not isinstance(held, Mapping) or depth > _DEPTH:
        return bool(wanted == held)
    if wanted.get("type") != held.get("type") or wanted.get("text") != held.get("text"):
        return False
    if not _attrs_held(wanted.get("attrs"), held.get("attrs")):
        return False
    if sorted(map(_look, _marks(wanted))) != sorted(map(_look, _marks(held))):
        return False
    ours, theirs = _joined(_content(wanted)), _joined(_content(held))
    return len(ours) == len(theirs) and all(
        alike(one, other, depth + 1) for one, other in zip(ours, theirs, strict=True)
    )


def _attrs_held(wanted: Any, held: Any) -> bool:
    theirs = held if isinstance(held, Mapping) else {}
    said = wanted if isinstance(wanted, Mapping) else {}
    names = {*said, *(name for name in _TOLD if name in theirs)} - {"localId"}
    return all(
        said.get(name) == theirs.get(name)
        or (said.get(name) in _LEFT_OUT and theirs.get(name) in _LEFT_OUT)
        for name in names
    )


def _marks(node: Node) -> list[Node]:
    marks = node.get("marks")
    return [mark for mark in marks if isinstance(mark, Mapping)] if isinstance(marks, list) else []


def _look(mark: Node) -> str:
    attrs = mark.get("attrs")
    href = attrs.get("href") if isinstance(attrs, Mapping) else None
    return f"{mark.get('type')} {href or ''}"


def _joined(nodes: list[Node]) -> list[Node]:
    """The nodes, with neighbouring texts of one look as one."""
    joined: list[Node] = []
    for node in nodes:
        last = joined[-1] if joined else None
        if (
            last is not None
            and node.get("type") == last.get("type") == "text"
            and _marks(node) == _marks(last)
        ):
            joined[-1] = {**last, "text": f"{last.get('text')}{node.get('text')}"}
        else:
            joined.append(node)
    return joined

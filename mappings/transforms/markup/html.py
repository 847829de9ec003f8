"""Markdown as HTML and HTML as Markdown. What comes in is cleaned before it is read: scripts,
styles and addresses that act (`javascript:`) are gone. What goes out holds none, as HTML within
Markdown is text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from html.parser import HTMLParser
from threading import Lock
from typing import TYPE_CHECKING, Any

from mappings.transforms.markup import adf

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

Node = dict[str, Any]

_MARKS = {
    **dict.fromkeys(("b", "strong"), "strong"),
    **dict.fromkeys(("i", "em", "cite"), "em"),
    **dict.fromkeys(("s", "del", "strike"), "strike"),
    **dict.fromkeys(("code", "kbd", "samp", "tt"), "code"),
}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CONTAINERS = {
    "ul": "bulletList",
    "ol": "orderedList",
    "li": "listItem",
    "blockquote": "blockquote",
    "table": "table",
    "tr": "tableRow",
    "td": "tableCell",
    "th": "tableHeader",
}
_INSIDE = {
    "bulletList": "listItem",
    "orderedList": "listItem",
    "table": "tableRow",
    "tableRow": "tableCell",
}
"""What a container holds, which is made up where it is missing."""
_BREAKS = {"p", "div", "section", "article", "header", "footer", "dl", "dt", "dd", "thead", "tbody"}
_TAGS = {"a", "br", "hr", "img", "pre", *_MARKS, *_HEADINGS, *_CONTAINERS, *_BREAKS}
_ATTRIBUTES = {"a": {"href"}, "img": {"src", "alt"}, "code": {"class"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto", "tel"}
_LANGUAGE = re.compile(r"\blanguage-([\w+#.-]{1,40})")
_SPACE = re.compile(r"[ \t\r\n\f\xa0]+")
_COMMENT = re.compile(r"<!--(?:(?!-->).)*-->", re.DOTALL)


_ELEMENT = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_SELF_CLOSING = {"p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "option", "col"} | {
    *("area", "base", "br", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
}
_DEPTH = 300
MAX_CHARACTERS = 100_000
"""Of the text within HTML."""


class TooMuch(ValueError):
    """HTML with more text, or more elements open at once, than any tool writes."""


def to_markdown(html: str) -> str:
    """HTML as Markdown; empty for HTML without any text. Raises TooMuch."""
    depth = 0
    for element in _ELEMENT.finditer(html):
        if element[2].lower() not in _SELF_CLOSING:
            depth = max(depth - 1, 0) if element[1] else depth + 1
            if depth > _DEPTH:
                raise TooMuch(f"the HTML nests more than {_DEPTH} elements")
    import nh3  # for who has HTML

    clean = nh3.clean(html, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes=_SCHEMES, link_rel=None)
    reader = _Reader()
    reader.feed(clean)
    reader.close()
    return adf.to_markdown(reader.document) or ""


def to_html(text: str) -> str:
    """Markdown as HTML, without a line break at its end."""
    markdown = _markdown()
    tokens = _shown(markdown.parse(text))
    return str(markdown.renderer.render(tokens, markdown.options, {})).rstrip("\n")


_making = Lock()


def _markdown() -> MarkdownIt:
    with _making:
        return _made()


@cache
def _made() -> MarkdownIt:
    from markdown_it import MarkdownIt  # for those who turn Markdown into HTML

    made = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 40})
    made.enable(["table", "strikethrough"])
    made.parse("*a*")  # its first text readies it, which two threads must not do at once
    return made


def _shown(tokens: Sequence[Token]) -> list[Token]:
    """Without what only readers of Markdown are meant to see: paragraphs that are a comment, and
    whom a mention means.
    """
    kept: list[Token] = []
    for token in tokens:
        if kept and kept[-1].type == "inline" and _COMMENT.fullmatch(kept[-1].content.strip()):
            del kept[-2:]  # its paragraph, which this token closes
            continue
        if token.type == "inline":
            token.children = _without_mentions(token.children or [])
        kept.append(token)
    return kept


def _without_mentions(tokens: Sequence[Token]) -> list[Token]:
    kept: list[Token] = []
    inside = False
    for token in tokens:
        if token.type == "link_open" and str(token.attrGet("href")).startswith("mention:"):
            inside = True
        elif token.type == "link_close" and inside:
            inside = False
        else:
            kept.append(token)
    return kept


class _Reader(HTMLParser):
    """Cleaned HTML, where every element is closed, as a document. Nothing here is recursive."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._left = MAX_CHARACTERS
        self.document: Node = {"type": "doc", "version": 1, "content": []}
        self._stack = [self.document]
        self._line: Node | None = None
        """The paragraph or heading that text goes to."""
        self._marks: list[tuple[str, Node]] = []
        self._code: Node | None = None
        self._spaced = True
        """Whether white space that follows adds nothing."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if self._code is not None:
            if found := _LANGUAGE.search(given.get("class", "")):
                self._code["attrs"] = {"language": found[1]}
        elif tag in _CONTAINERS:
            self._begin(tag, given)
        elif tag in _HEADINGS:
            self._end_line()
            self._line = self._add("heading", {"level": _HEADINGS[tag]})
        elif tag == "pre":
            self._end_line()
            self._code = self._add("codeBlock")
        elif tag == "hr":
            self._end_line()
            self._home()["content"].append({"type": "rule"})
        elif tag == "br":
            self._inline({"type": "hardBreak"})
            self._spaced = True
        elif tag == "img":
            self._image(given)
        elif tag in _MARKS:
            self._marks.append((tag, {"type": _MARKS[tag]}))
        elif tag == "a":
            self._marks.append((tag, {"type": "link", "attrs": {"href": given.get("href", "")}}))
        else:
            self._end_line()

    def handle_endtag(self, tag: str) -> None:
        if self._code is not None:
            if tag == "pre":
                self._end_code(self._code)
        elif tag in _CONTAINERS:
            self._finish(_CONTAINERS[tag])
        elif tag in _MARKS or tag == "a":
            for number in range(len(self._marks) - 1, -1, -1):
                if self._marks[number][0] == tag:
                    del self._marks[number]
                    break
        elif tag not in ("br", "hr", "img"):
            self._end_line()

    def handle_data(self, data: str) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise TooMuch(f"the text is longer than {MAX_CHARACTERS:,} characters")
        if self._code is not None:
            self._code["content"].append({"type": "text", "text": data})
            return
        text = _SPACE.sub(" ", data)
        if self._spaced:
            text = text.lstrip(" ")
        if text:
            self._spaced = text.endswith(" ")
            self._text(text, list({mark["type"]: mark for _, mark in self._marks}.values()))

    def _image(self, given: dict[str, str]) -> None:
        text = given.get("alt", "").strip() or "image"
        marks = [mark for _, mark in self._marks if mark["type"] != "link"]
        if given.get("src"):
            marks.append({"type": "link", "attrs": {"href": given["src"]}})
        self._text(text, marks)
        self._spaced = False

    def _text(self, text: str, marks: list[Node]) -> None:
        self._inline({"type": "text", "text": text, **({"marks": marks} if marks else {})})

    def _inline(self, node: Node) -> None:
        if self._line is None:
            self._line = self._add("paragraph")
        self._line["content"].append(node)

    def _add(self, kind: str, attrs: Node | None = None) -> Node:
        node: Node = {"type": kind, "content": [], **({"attrs": attrs} if attrs else {})}
        self._home()["content"].append(node)
        return node

    def _home(self) -> Node:
        """The innermost container that takes blocks."""
        while kind := _INSIDE.get(self._stack[-1]["type"]):
            self._push(kind)
        return self._stack[-1]

    def _push(self, kind: str, attrs: Node | None = None) -> None:
        node: Node = {"type": kind, "content": [], **({"attrs": attrs} if attrs else {})}
        self._stack[-1]["content"].append(node)
        self._stack.append(node)

    def _begin(self, tag: str, given: dict[str, str]) -> None:
        self._end_line()
        kind = _CONTAINERS[tag]
        if kind == "listItem" and _INSIDE.get(self._stack[-1]["type"]) != kind:
            self._home()
            self._push("bulletList")
        elif kind in ("bulletList", "orderedList", "blockquote", "table"):
            self._home()
        start = given.get("start", "")
        numbered = kind == "orderedList" and start.isascii() and start.isdigit() and len(start) < 9
        self._push(kind, {"order": int(start)} if numbered else None)

    def _finish(self, kind: str) -> None:
        """Up to and with the innermost open container of this kind."""
        self._end_line()
        for number in range(len(self._stack) - 1, 0, -1):
            if self._stack[number]["type"] == kind:
                del self._stack[number:]
                return

    def _end_line(self) -> None:
        self._line, self._spaced = None, True

    def _end_code(self, node: Node) -> None:
        text = "".join(part["text"] for part in node["content"])
        text = text.removeprefix("\n").removesuffix("\n")
        node["content"] = [{"type": "text", "text": text}] if text.strip("\n") else []
        self._code = None

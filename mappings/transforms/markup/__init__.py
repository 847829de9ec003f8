"""Marked-up text: Markdown here, and HTML, Atlassian documents or plain text in the tool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mappings.paths import kind_of
from mappings.transforms.markup import adf, html, plain
from mappings.transforms.markup.document import to_adf
from mappings.transforms.step import TEXTUAL, Example, Fault, Scope, Step, Transform
from mappings.transforms.text import text_of

MAX_CHARACTERS = html.MAX_CHARACTERS
"""Of text, and four times that of HTML: more than the tools hold, and read in seconds at worst."""
_MAX_NODES = 50_000
_ELEMENT = 20
"""What an element of a list costs beside its characters, in characters."""


def _bounded(text: str, limit: int = MAX_CHARACTERS) -> str:
    if len(text) > limit:
        raise Fault(f"the text is longer than {limit:,} characters")
    return text


def _texts(
    inward: Callable[[str], str], outward: Callable[[str], str], limit: int = MAX_CHARACTERS
) -> Callable[[Mapping[str, Any]], tuple[Step, Step | None]]:
    def read(value: Any, scope: Scope) -> Any:
        try:
            return _bounded(inward(_bounded(text_of(value), limit)))
        except html.TooMuch as error:
            raise Fault(str(error)) from None
        except UnicodeEncodeError:
            raise Fault("the text holds characters that no tool can store") from None

    def write(value: Any, scope: Scope) -> Any:
        return outward(_bounded(text_of(value)))

    return lambda params: (read, write)


def _adf(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    def inward(value: Any, scope: Scope) -> Any:
        if value.__class__ is str:
            return adf.to_markdown(_bounded(value))
        if not isinstance(value, dict) or value.get("type") != "doc":
            raise Fault(f"expected an Atlassian document, found {kind_of(value)}")
        if _nodes(value) > _MAX_NODES:
            raise Fault(f"the document has more than {_MAX_NODES:,} nodes")
        return _bounded(adf.to_markdown(value) or "") or None

    def outward(value: Any, scope: Scope) -> Any:
        return to_adf(_bounded(text_of(value)))

    return inward, outward


def _nodes(document: Any) -> int:
    """How many nodes a document has, as far as the limit goes; characters count a little."""
    count, left = 0, [document]
    while left and count <= _MAX_NODES:
        node = left.pop()
        count += 1
        if isinstance(node, dict):
            text = node.get("text")
            count += len(text) // 3 if isinstance(text, str) else 0
            content = node.get("content")
            left += content if isinstance(content, list) else []
    return count


def _together(limit: int) -> Callable[[list[Any]], None]:
    """A bound for the texts or documents of a list: together they are as much as one may be."""

    def bound(values: list[Any]) -> None:
        left = limit
        for value in values:
            text = len(value) if value.__class__ is str else 0
            nodes = _nodes(value) if value.__class__ is dict else 0
            left -= _ELEMENT + text + nodes * limit // _MAX_NODES
            if left < 0:
                raise Fault(
                    f"the {len(values):,} elements are together longer than {limit:,} characters"
                )

    return bound


def _document(*blocks: Any) -> dict[str, Any]:
    return {"type": "doc", "version": 1, "content": list(blocks)}


MARKUP = (
    Transform(
        "html",
        "HTML in the tool, Markdown here; scripts, styles and forms never come in",
        _texts(html.to_markdown, html.to_html, 4 * MAX_CHARACTERS),
        takes=TEXTUAL,
        gives="text",
        bound=_together(4 * MAX_CHARACTERS),
        examples=(
            Example("<p>Since <strong>this morning</strong>.</p>", "Since **this morning**."),
            Example(
                "<div>Hi,<br>see <a href='https://acme.test'>here</a></div>",
                "Hi,\nsee [here](https://acme.test)",
                back='<p>Hi,<br />\nsee <a href="https://acme.test">here</a></p>',
            ),
        ),
        lossy="colours, sizes and pictures (a picture becomes a link)",
    ),
    Transform(
        "adf",
        "an Atlassian document in the tool (Jira, Confluence), Markdown here",
        _adf,
        gives="text",
        bound=_together(MAX_CHARACTERS),
        examples=(
            Example(
                _document(
                    {
                        "type": "paragraph",
                        "content": [
                            {"type": "text", "text": "Since "},
                            {
                                "type": "text",
                                "text": "this morning",
                                "marks": [{"type": "strong"}],
                            },
                        ],
                    }
                ),
                "Since **this morning**",
            ),
        ),
        lossy="panels, media and colours, of which the text stays",
    ),
    Transform(
        "plain",
        "plain text in the tool, Markdown here",
        _texts(plain.to_markdown, plain.to_plain),
        takes=TEXTUAL,
        gives="text",
        bound=_together(MAX_CHARACTERS),
        examples=(Example("Read *.txt in C:\\temp\n# 3", "Read *.txt in C:\\temp\n\\# 3"),),
        lossy="white space at the ends of lines; what Markdown marks is written without its signs",
    ),
)

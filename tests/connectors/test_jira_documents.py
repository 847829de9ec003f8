"""When two documents in Jira say the same, and what the sandbox makes of plain text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.jira.documents import alike, document, of_text, text_of
from connectors.jira.sandbox_adf import valid


def doc(*content: Any) -> dict[str, Any]:
    return {"type": "doc", "version": 1, "content": list(content)}


def text(words: str, *marks: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, "marks": [{"type": mark} for mark in marks], **more}


def line(*parts: Any, **attrs: Any) -> dict[str, Any]:
    return {"type": "paragraph", "content": list(parts), **({"attrs": attrs} if attrs else {})}


@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        (doc(line(text("Hi"))), doc(line(text("Hi"), localId="a"))),
        (doc(line(text("Hi there"))), doc(line(text("Hi "), text("there")))),
        (doc(line(text("Hi", "em", "strong"))), doc(line(text("Hi", "strong", "em")))),
        (doc(line()), doc({"type": "paragraph"})),
        (None, None),
    ],
)
def test_what_jira_adds_changes_nothing(wanted: Any, held: Any) -> None:
    assert alike(wanted, held)


@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        (doc(line(text("Hi"))), doc(line(text("Ho")))),
        (doc(line(text("Hi"))), doc(line(text("Hi", "strong")))),
        (doc(line(text("Hi"))), doc(line(text("Hi")), line(text("Ho")))),
        (doc(line(text("Hi"))), None),
        (None, doc(line(text("Hi")))),
        (doc({"type": "codeBlock"}), doc({"type": "codeBlock", "attrs": {"language": "sql"}})),
        (doc({"type": "heading", "attrs": {"level": 1}}), doc({"type": "heading"})),
        (
            doc(line({"type": "mention", "attrs": {"id": "1"}})),
            doc(line({"type": "mention", "attrs": {"id": "2"}})),
        ),
    ],
)
def test_what_people_see_is_a_difference(wanted: Any, held: Any) -> None:
    assert not alike(wanted, held)


@given(st.text(alphabet="ab *_#-\n", max_size=40))
def test_a_plain_text_is_a_document_that_says_it_to_the_letter(words: str) -> None:
    made = of_text(words)
    assert made is None or valid(made)
    said = (text_of(made) or "").split()
    assert said == words.split()
    assert alike(made, made)


def test_a_document_nested_beyond_reason_is_compared_and_read() -> None:
    deep: Any = text("deep")
    for _ in range(900):
        deep = {"type": "blockquote", "content": [deep]}
    assert alike(doc(deep), doc(deep))
    assert text_of(doc(deep)) == "deep"


@pytest.mark.parametrize("wrong", ["Hi", 7, [], {"type": "doc"}, {"type": "doc", "version": 2}])
def test_what_is_no_document_is_refused_with_the_transform_that_makes_one(wrong: Any) -> None:
    with pytest.raises(ValueError, match="as: adf"):
        document(wrong)

"""Markdown to Atlassian Document Format and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.jira.sandbox_adf import valid
from mappings.transforms.markup.adf import to_markdown
from mappings.transforms.markup.document import to_adf

SAME = [
    "Please see to it.",
    "First line\nsecond line",
    "One paragraph\n\nanother",
    "2 * 3 * 4 = 24, snake_case_names and C:\\dir",
    "**bold**, *italic*, ~~gone~~, `code * here` and ***both***",
    "[a page](https://acme.test/a_(b)?c=d) and <https://acme.test/x>",
    "# Head\n\n## Sub",
    "- one\n- two\n  - below\n  - more\n- three",
    "1. first\n2. second\n   - inside",
    "4. four\n5. five",
    "> quoted\n> twice\n\nafter",
    "```python\nx = 1\n\n  y = [2]\n```",
    "before\n\n---\n\nafter",
    "| a | b |\n| --- | --- |\n| 1 | 2 |",
    "Thanks [@Dana Meier](mention:5b10a2844c20165700ede21g)!",
    "\\# no heading\n\\- no list\n1\\. neither",
    "ünïcödé 😀 ​ <b>tag</b>",
]


@pytest.mark.parametrize("text", SAME)
def test_a_text_comes_back_as_it_went(text: str) -> None:
    document = to_adf(text)
    assert valid(document)
    assert to_markdown(document) == text


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("* one\n* two", "- one\n- two"),
        ("__bold__ and _italic_", "**bold** and *italic*"),
        ("a\r\nb\r\n\r\n\r\nc", "a\nb\n\nc"),
        ("- [ ] buy\n- [x] pay", "- [ ] buy\n- [x] pay"),
        ("Title\n# Head", "Title\n\n# Head"),
        ("> # Head in a quote", "> Head in a quote"),
        ("- > quote in an item", "- quote in an item"),
        ("**open", "**open"),
        ("[x](", "[x]("),
        ("   \n\n ", None),
        ("", None),
        (None, None),
    ],
)
def test_what_is_said_otherwise_reads_back_in_one_way(
    text: str | None, becomes: str | None
) -> None:
    document = to_adf(text)
    assert document is None or valid(document)
    assert to_markdown(document) == becomes
    assert to_markdown(to_adf(becomes)) == becomes


_PIECES = st.sampled_from(
    [
        *"ab *_`~[]()<>#->|\\!.1\n\n",
        "**",
        "~~",
        "```",
        "- ",
        "1. ",
        "> ",
        "# ",
        "  ",
        "\n\n",
        "---",
        "](http://x.y)",
        "<http://x.y>",
        "| a |",
        "| --- |",
        "[@D](mention:5b)",
        "ü😀",
        "\t",
        "\\*",
    ]
)


@settings(max_examples=1500, deadline=None)
@example("```\n\n")
@given(st.lists(_PIECES, max_size=40).map("".join))
@example("**a***b*")
@example("`` ` ``")
@example("- \n- a")
@example("> ```\n> x")
def test_jira_takes_whatever_becomes_of_a_text_and_reads_the_same_ever_after(text: str) -> None:
    document = to_adf(text)
    assert document is None or valid(document), document
    once = to_markdown(document)
    again = to_adf(once)
    assert again is None or valid(again), again
    assert to_markdown(again) == once


def _texts(characters: str) -> st.SearchStrategy[str]:
    return st.text(alphabet=characters, min_size=1, max_size=12)


_MARKS = st.lists(st.sampled_from(["strong", "em", "strike"]), unique=True, max_size=2)
_TEXT = st.builds(
    lambda text, marks: {
        "type": "text",
        "text": text,
        **({"marks": [{"type": one} for one in marks]} if marks else {}),
    },
    _texts("ab *_`~[]<>#-|\\.1 ü"),
    _MARKS,
)
_PARAGRAPH = st.builds(
    lambda parts: {"type": "paragraph", "content": parts},
    st.lists(st.one_of(_TEXT, st.just({"type": "hardBreak"})), max_size=5),
)


def _lists(inside: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda kind, first, more: {
            "type": kind,
            "content": [{"type": "listItem", "content": [first, *more]}],
        },
        st.sampled_from(["bulletList", "orderedList"]),
        _PARAGRAPH,
        st.lists(inside, max_size=2),
    )


_BLOCKS = st.recursive(_PARAGRAPH, _lists, max_leaves=6)


@settings(max_examples=800, deadline=None)
@given(st.lists(_BLOCKS, min_size=1, max_size=4))
def test_what_people_write_in_jira_reads_the_same_after_we_write_it_back(content: Any) -> None:
    document = {"type": "doc", "version": 1, "content": content}
    text = to_markdown(document)
    written = to_adf(text)
    assert written is None or valid(written), written
    assert to_markdown(written) == text


def test_of_what_markdown_has_not_the_text_stays() -> None:
    def paragraph(*parts: Any) -> Any:
        return {"type": "paragraph", "content": list(parts)}

    def words(text: str) -> Any:
        return {"type": "text", "text": text, "marks": [{"type": "textColor"}]}

    document = {
        "type": "doc",
        "version": 1,
        "content": [
            {"type": "panel", "attrs": {"panelType": "info"}, "content": [paragraph(words("In"))]},
            {"type": "expand", "attrs": {"title": "More"}, "content": [paragraph(words("inside"))]},
            {
                "type": "taskList",
                "content": [
                    {"type": "taskItem", "attrs": {"state": "DONE"}, "content": [words("paid")]}
                ],
            },
            paragraph(
                {"type": "emoji", "attrs": {"shortName": ":wave:", "text": "👋"}},
                {"type": "date", "attrs": {"timestamp": "1772323200000"}},
                {"type": "status", "attrs": {"text": "LATE", "color": "red"}},
                {"type": "inlineCard", "attrs": {"url": "https://acme.test/1"}},
            ),
            {"type": "mediaSingle", "content": [{"type": "media", "attrs": {"alt": "a plan"}}]},
            {"type": "tomorrow", "content": [{"type": "newer", "content": [words("still here")]}]},
        ],
    }
    text = to_markdown(document)
    assert text is not None
    for word in ("In", "More", "inside", "- [x] paid", "👋", "2026-03-01", "LATE", "acme.test/1"):
        assert word in text
    assert "a plan" in text
    assert "still here" in text


@pytest.mark.parametrize(
    "odd", [{}, {"type": "doc"}, {"content": 3}, {"content": [None, 3]}, 7, [], {"content": [{}]}]
)
def test_no_document_is_so_broken_that_it_cannot_be_read(odd: Any) -> None:
    assert to_markdown(odd) is None


def test_a_document_nested_beyond_reason_ends() -> None:
    node: Any = {"type": "paragraph", "content": [{"type": "text", "text": "deep"}]}
    for _ in range(200):
        node = {"type": "blockquote", "content": [node]}
    to_markdown({"type": "doc", "version": 1, "content": [node]})
    to_adf("> " * 400 + "deep")
    to_adf("- " * 400 + "deep")
    to_adf("*" * 5000 + "[" * 5000)

"""Markdown to HTML and to plain text, and back; nothing that acts comes through."""

from __future__ import annotations

import re
from typing import Any

import nh3
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mappings.source import Place
from mappings.spec import UNSET, TransformUse
from mappings.transforms import Fault, Scope, bind
from mappings.transforms.markup import html, plain
from tests.mappings.test_markup_adf import SAME

TWO_WAY = [text for text in SAME if "mention:" not in text]


@pytest.mark.parametrize("text", TWO_WAY)
def test_a_text_comes_back_from_html_as_it_went(text: str) -> None:
    assert html.to_markdown(html.to_html(text)) == text


@pytest.mark.parametrize(
    ("given", "markdown"),
    [
        ("<p>Hi <b>Dana</b>,</p><p>see <a href='https://a.b/c'>here</a></p>",
         "Hi **Dana**,\n\nsee [here](https://a.b/c)"),
        ("<div>one</div><div>two<br></div><div><br></div>", "one\n\ntwo"),
        ("a\n  b&nbsp;&nbsp;c", "a b c"),
        ("<ul><li>one<ul><li>two</li></ul></li><li>three</li></ul>", "- one\n  - two\n- three"),
        ("<ol start=3><li>c<li>d</ol>", "3. c\n4. d"),
        ("<h2>Head</h2>text", "## Head\n\ntext"),
        ("<pre><code class='language-sql'>select 1\n  *</code></pre>",
         "```sql\nselect 1\n  *\n```"),
        ("<table><tr><th>a<th>b<tr><td>1<td>2|3</table>",
         "| a | b |\n| --- | --- |\n| 1 | 2\\|3 |"),
        ("<blockquote><p>said</p></blockquote>ok", "> said\n\nok"),
        ("<img src='https://a.b/c.png' alt='a plan'>", "[a plan](https://a.b/c.png)"),
        ("3 * 4 * 5 &lt; # 7 [x](y)", "3 \\* 4 \\* 5 \\< # 7 \\[x\\](y)"),
        ("<p># no heading</p><p>1. no list</p>", "\\# no heading\n\n1\\. no list"),
        ("<span style='color:red'>red</span><o:p>word</o:p>", "redword"),
        ("<style>p{}</style><script>x()</script><p>text</p><!-- c -->", "text"),
        ("<p></p><p>&nbsp;</p>", ""),
        ("", ""),
        ("plain & simple", "plain & simple"),
    ],
)  # fmt: skip
def test_html_of_the_tools_is_read(given: str, markdown: str) -> None:
    assert html.to_markdown(given) == markdown


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href='JaVaScRiPt&#58;alert(1)'>x</a>",
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)><a xlink:href='javascript:alert(1)'>x</a></svg>",
        "<iframe src='javascript:alert(1)'></iframe>",
        "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
        "<form action='https://evil.test'><input name=q></form>",
        "[x](javascript:alert(1))",
        "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
        "```\n</code><script>alert(1)</script>",
        '<https://a.b/"onmouseover=alert(1)>',
    ],
)
def test_nothing_that_acts_comes_in_or_goes_out(attack: str) -> None:
    for markdown in (attack, html.to_markdown(attack), f"[a]({attack})", f"# {attack}"):
        assert_safe(html.to_html(markdown))


def assert_safe(written: str) -> None:
    """A sanitizer finds nothing to take away from it."""
    assert not re.search(r"<(script|iframe|svg|form|style|input|object|math)", written, re.I)
    tags = {one.lower() for one in re.findall(r"<([a-zA-Z][\w-]*)", written)}
    assert tags <= nh3.ALLOWED_TAGS, tags - nh3.ALLOWED_TAGS
    for attributes in re.findall(r"<[a-zA-Z][^<>]*>", written):
        assert not re.search(r"\son\w+\s*=\s*[^\"]", re.sub(r'"[^"]*"', '""', attributes), re.I)
    for address in re.findall(r'(?:href|src)="([^"]*)"', written):
        assert not re.match(r"\s*(javascript|vbscript|data:text)", address, re.I), address


_SIGNS = st.text(alphabet="ab *_`~[]()<>#-|\\.1!&:/\n\"'", max_size=60)


@settings(max_examples=600, deadline=None)
@given(_SIGNS)
@example("[a](javascript:b)")
@example("<a href='javascript:b'>")
def test_any_markdown_makes_safe_html(text: str) -> None:
    assert_safe(html.to_html(text))


_WORDS = st.text(alphabet="ab 1.:,ü", min_size=1, max_size=12)
_INLINE = st.recursive(
    _WORDS,
    lambda inner: st.builds(
        lambda tag, text: f"<{tag}>{text}</{tag}>", st.sampled_from(["b", "i", "s", "code"]), inner
    ),
    max_leaves=3,
)
_LINE = st.lists(_INLINE, min_size=1, max_size=3).map(" and ".join)
_HTML = st.recursive(
    st.builds(
        lambda tag, text: f"<{tag}>{text}</{tag}>", st.sampled_from(["p", "h3", "div"]), _LINE
    ),
    lambda inner: (
        st.builds(
            lambda tag, item: f"<{tag}><li>{item}</li></{tag}>",
            st.sampled_from(["ul", "ol"]),
            inner,
        )
        | st.builds(lambda item: f"<blockquote>{item}</blockquote>", inner)
    ),
    max_leaves=3,
)


@settings(max_examples=500, deadline=None)
@given(st.lists(_HTML, min_size=1, max_size=4).map("".join))
def test_what_was_read_of_html_is_read_the_same_after_it_was_written(given: str) -> None:
    """Formatting comes to rest at once: the second sync moves nothing."""
    once = html.to_markdown(given)
    assert html.to_markdown(html.to_html(once)) == once


@settings(max_examples=500, deadline=None)
@example("<!-- -->")
@given(st.text(alphabet="ab *_`~[]()<>#->|\\!.1\n", max_size=60))
def test_a_plain_text_comes_back_as_it_was_but_for_white_space(text: str) -> None:
    written = plain.to_plain(plain.to_markdown(text))
    assert [line.strip() for line in text.split("\n") if line.strip()] == [
        line for line in written.split("\n") if line
    ]


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**Hi** *there* ~~no~~ `x`", "Hi there no x"),
        ("# Head\n\ntext", "Head\n\ntext"),
        ("- a\n- b\n  - c", "- a\n- b\n  - c"),
        ("3. a\n4. b", "3. a\n4. b"),
        ("[here](https://a.b) and <https://c.d>", "here (https://a.b) and https://c.d"),
        ("[**b** c](https://a.b)!", "b c (https://a.b)!"),
        ("> q\n\n```py\nx = 1\n```", "> q\n\nx = 1"),
        ("| a | b |\n| --- | --- |\n| 1 | 2 |", "a | b\n1 | 2"),
        ("Thanks [@Dana](mention:5b)!", "Thanks @Dana!"),
        ("2 \\* 3", "2 * 3"),
        ("", ""),
    ],
)
def test_markdown_as_plain_text(markdown: str, text: str) -> None:
    assert plain.to_plain(markdown) == text


def test_an_html_comment_is_for_readers_of_markdown_only() -> None:
    assert html.to_html("<!-- hub:7 -->\n\ntext") == "<p>text</p>"


def test_html_nested_beyond_reason_is_a_named_error() -> None:
    with pytest.raises(html.TooMuch, match="more than 300 elements"):
        html.to_markdown("<div>" * 400)


def nested(depth: int) -> Any:
    return "<blockquote>" * depth + "deep" + "</blockquote>" * depth


def test_deep_html_that_is_still_read_keeps_its_words() -> None:
    assert "deep" in html.to_markdown(nested(250))


@pytest.mark.parametrize(
    ("name", "element", "few", "many", "limit"),
    [
        ("html", "<p>Hello</p>", 10, 20_000, "400,000"),
        ("html", "<b>" + "x" * 90_000 + "</b>", 2, 5, "400,000"),
        ("plain", "x" * 1_000, 50, 100, "100,000"),
        ("adf", {"type": "doc", "content": [{"type": "text", "text": "x" * 300}]}, 50, 1_000,
         "100,000"),
    ],
)  # fmt: skip
def test_the_elements_of_a_list_are_together_no_longer_than_one_text_may_be(
    name: str, element: Any, few: int, many: int, limit: str
) -> None:
    bound = bind(TransformUse(name, {}, UNSET, Place("test.yaml")))
    assert len(bound.inward([element] * few, Scope(None, ""))) == few
    with pytest.raises(Fault, match=f"{many:,} elements are together longer than {limit}"):
        bound.inward([element] * many, Scope(None, ""))


def test_html_of_more_text_than_a_tool_holds_is_refused_before_it_is_read() -> None:
    with pytest.raises(html.TooMuch, match="longer than 100,000 characters"):
        html.to_markdown("<p>" + "a " * 60_000)
    assert html.to_markdown("<p style='color: red'>a</p>" * 10_000).count("a") == 10_000


def test_markdown_is_ready_before_threads_share_it() -> None:
    """What is made at the first text could be seen half made by another thread."""
    markdown = html._markdown()
    readers = (markdown.core, markdown.block, markdown.inline)
    assert all(one.ruler.__cache__ is not None for one in readers)
    assert markdown.inline.ruler2.__cache__ is not None

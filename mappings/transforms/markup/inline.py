"""What stands within a line: bold, italic, struck, code, links and mentions, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count, groupby

_SPECIAL = re.compile(r"([\\`*_~\[\]<])")
_TEXT = re.compile(r"[^\\`*_~\[<]+")
_UNFIT = re.compile(r"[<>\s]")
_SIGNS = {"bold": "**", "italic": "*", "strike": "~~"}
_MENTION = re.compile(r"\[@((?:\\.|[^\\\]\n]){0,200})\]\(mention:([^\s()<>]{1,200})\)")
_LINK = re.compile(r"\]\((?:<([^<>\n]*)>|([^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*))\)")
_URL = re.compile(r"<(https?://[^\s<>]+|mailto:[^\s<>]+)>")
_PAIRS = (("***", ("bold", "italic")), ("**", ("bold",)), ("~~", ("strike",)), ("*", ("italic",)))


@dataclass(frozen=True, slots=True)
class Span:
    """Some text that looks the same throughout. `mention` is a person's account id."""

    text: str
    marks: frozenset[str] = frozenset()
    href: str | None = None
    mention: str | None = None


def escaped(text: str) -> str:
    """Text that reads as itself: untouched where nothing in it would be taken for a sign."""
    if not _SPECIAL.search(text) or parse(text) == _plain(text):
        return text
    return _shielded(text)


def _shielded(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def _plain(text: str) -> list[Span]:
    return [Span(text)] if text else []


def spans_text(spans: Sequence[Span]) -> str:
    """The Markdown of a line or paragraph; a line break is a line break."""
    merged = _merged(spans)
    if all(not (one.marks or one.href or one.mention) for one in merged):
        return escaped("".join(one.text for one in merged))
    shown = "".join(_shown(span) for span in merged)
    again = parse(shown)
    if "".join(one.text for one in again) == "".join(one.text for one in merged):
        return shown
    # signs that touch each other would be read otherwise: the text matters more than its looks
    return escaped("".join(one.text for one in merged))


def _merged(spans: Sequence[Span]) -> list[Span]:
    """Spans side by side that look the same as one; none is empty. Each text is copied once."""
    found: list[Span] = []
    for _, run in groupby((span for span in spans if span.text), _looks()):
        first, *others = run
        text = first.text + "".join(one.text for one in others)
        found.append(Span(text, first.marks, first.href, first.mention) if others else first)
    return found


def _looks() -> Callable[[Span], object]:
    """What spans share that may become one. A mention stands by itself."""
    numbers = count()
    return lambda span: next(numbers) if span.mention else (span.marks, span.href)


def _shown(span: Span) -> str:
    if span.mention:
        return f"[{_shielded(span.text)}](mention:{span.mention})"
    # signs must touch the text they mark, and a marked text ends with its line
    lines = span.text.split("\n") if span.marks or span.href else [span.text]
    return "\n".join(_line(line, span) for line in lines)


def _line(line: str, span: Span) -> str:
    core = line.strip()
    if not core or not (span.marks or span.href):
        return _shielded(line)
    before, after = line[: line.index(core)], line[line.index(core) + len(core) :]
    if span.href and core == span.href and not span.marks and _URL.fullmatch(f"<{core}>"):
        return f"{before}<{core}>{after}"
    shown = _code(core) if "code" in span.marks else _shielded(core)
    for name in ("italic", "bold", "strike"):
        if name in span.marks and "code" not in span.marks:
            shown = f"{_SIGNS[name]}{shown}{_SIGNS[name]}"
    if span.href:
        address = span.href
        if not _LINK.fullmatch(f"]({address})"):
            address = f"<{_UNFIT.sub(_quoted, address)}>"
        shown = f"[{shown}]({address})"
    return f"{before}{shown}{after}"


def _quoted(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


def _code(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def parse(text: str) -> list[Span]:
    """The spans of Markdown within a line or paragraph. Signs that close nothing are text."""
    found: list[Span] = []
    _parse(text, frozenset(), None, found, 0)
    return _merged(found)


class _Open:
    """Where in one text nothing closes a sign any more, so that no place is searched twice."""

    __slots__ = ("line_ends", "links_end")

    def __init__(self) -> None:
        self.line_ends: dict[str, int] = {}
        self.links_end = False


def _parse(
    text: str, marks: frozenset[str], href: str | None, found: list[Span], depth: int
) -> None:
    at = 0
    known = _Open()
    while at < len(text):
        step = _sign(text, at, marks, href, found, depth, known) if depth < 20 else 0
        if step:
            at += step
            continue
        plain = _TEXT.match(text, at)
        piece = plain[0] if plain else text[at]
        found.append(Span(piece, marks, href))
        at += len(piece)


def _sign(
    text: str,
    at: int,
    marks: frozenset[str],
    href: str | None,
    found: list[Span],
    depth: int,
    known: _Open,
) -> int:
    """The length of the sign at this place, its spans added; 0 where there is none."""
    here = text[at]
    if here == "\\" and at + 1 < len(text) and re.match(r"[!-/:-@\[-`{-~]", text[at + 1]):
        found.append(Span(text[at + 1], marks, href))
        return 2
    if here == "`":
        return _code_at(text, at, marks, href, found)
    if here == "<" and (url := _URL.match(text, at)) and href is None:
        found.append(Span(url[1], marks, url[1]))
        return len(url[0])
    if here == "[" and href is None:
        return _link_at(text, at, marks, found, depth, known)
    if here in "*_~":
        return _marked(text, at, marks, href, found, depth, known)
    return 0


def _code_at(text: str, at: int, marks: frozenset[str], href: str | None, found: list[Span]) -> int:
    fence = re.compile(r"`+").match(text, at)
    if fence is None:
        return 0
    closing = re.compile(rf"(?<!`)`{{{len(fence[0])}}}(?!`)").search(text, fence.end())
    if closing is None or closing.start() == fence.end():
        found.append(Span(fence[0], marks, href))
        return len(fence[0])
    inside = text[fence.end() : closing.start()]
    if "`" in inside and len(inside) > 2 and inside[0] == inside[-1] == " ":
        inside = inside[1:-1]
    found.append(Span(inside, frozenset({"code"}), href))
    return closing.end() - at


def _link_at(
    text: str, at: int, marks: frozenset[str], found: list[Span], depth: int, known: _Open
) -> int:
    if mention := _MENTION.match(text, at):
        name = re.sub(r"\\(.)", r"\1", mention[1])
        found.append(Span(f"@{name}", mention=mention[2]))
        return len(mention[0])
    if known.links_end:
        return 0
    for closing in re.compile(r"(?<!\\)\]").finditer(text, at + 1):
        if link := _LINK.match(text, closing.start()):
            address = link[1] if link[1] is not None else link[2]
            if not address or closing.start() == at + 1:
                return 0
            _parse(text[at + 1 : closing.start()], marks, address, found, depth + 1)
            return link.end() - at
    known.links_end = True
    return 0


def _marked(
    text: str,
    at: int,
    marks: frozenset[str],
    href: str | None,
    found: list[Span],
    depth: int,
    known: _Open,
) -> int:
    for sign, names in _PAIRS:
        if text[at] == "_":
            sign = sign.replace("*", "_")
        if not text.startswith(sign, at) or set(names) <= marks:
            continue
        start = at + len(sign)
        if start >= len(text) or text[start].isspace():
            continue
        if text[at] == "_" and at and text[at - 1].isalnum():
            continue
        if start < known.line_ends.get(sign, 0):
            continue
        end = _closing(text, start, sign)
        if end is None:
            line_end = text.find("\n", start)
            known.line_ends[sign] = len(text) if line_end < 0 else line_end
            continue
        _parse(text[start:end], marks | set(names), href, found, depth + 1)
        return end + len(sign) - at
    run = re.compile(r"\*+|_+|~+").match(text, at)
    if run is None:
        return 0
    found.append(Span(run[0], marks, href))
    return len(run[0])


def _closing(text: str, start: int, sign: str) -> int | None:
    """Where the sign that opened before `start` closes: touching the text, on the same line."""
    at = start
    while at < len(text) and text[at] != "\n":
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == "`":
            fence = re.compile(r"`+").match(text, at)
            assert fence is not None  # noqa: S101 - it starts with one
            closing = re.compile(rf"(?<!`){fence[0]}(?!`)").search(text, fence.end())
            at = closing.end() if closing else fence.end()
            continue
        if text.startswith(sign, at) and at > start and not text[at - 1].isspace():
            run = re.compile(rf"\{sign[0]}+").match(text, at)
            length = len(run[0]) if run else 0
            after = at + length
            word = sign[0] == "_" and after < len(text) and text[after].isalnum()
            if (length == len(sign) or length > 3 - len(sign) >= 0) and not word:
                return at + length - len(sign)
            at = after
            continue
        at += 1
    return None

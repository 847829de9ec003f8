"""What a person wrote, taken out of what their mail program made of it. Pure text in, pure text
out: nothing here may raise on hostile input.
"""

from __future__ import annotations

import html as html_entities
import re
from collections import Counter
from collections.abc import Iterator

HTML_LIMIT = 300_000
"""Characters of an HTML part that are read; the rest is layout or an attack."""

_BREAK = re.compile(
    r"address|article|br|center|d[dlt]|div|fieldset|footer|form|h[1-6]|header|hr|li|main|[ou]l|p|"
    r"pre|section|table|tbody|t[dhr]"
)
_VOID = re.compile(r"area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr")
_TAG = re.compile(r"<(?=[a-zA-Z/!?])")
_NAME = re.compile(r"(/?)([a-zA-Z][a-zA-Z0-9]*)")
_RAW = re.compile(r"(script|style)\b", re.IGNORECASE)
_UNSEEN = frozenset(("head", "script", "style", "template", "title", "noscript", "svg"))
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


def _tags(html: str) -> Iterator[tuple[str, str]]:
    """(text, tag) pairs, the tag without its brackets. One pass, whatever the input.

    html.parser takes time with the square of the length on input such as `<a <a <a …`.
    """
    at, last = 0, html.rfind(">")
    lower = html.lower()
    while True:
        start = _TAG.search(html, at)
        if start is None or start.start() > last:
            yield html[at:], ""
            return
        begin = start.start()
        if html.startswith("<!--", begin):
            end = html.find("-->", begin + 4)
            yield html[at:begin], ""
            if end < 0:
                return
            at = end + 3
            continue
        end = html.find(">", begin)
        if html.count('"', begin, end) % 2:  # a bracket inside a quoted value
            quote = html.find('"', end)
            end = html.find(">", quote) if 0 <= quote < last else end
        tag = html[begin + 1 : end]
        yield html[at:begin], tag
        at = end + 1
        raw = _RAW.match(tag)
        if raw is not None:
            at = lower.find(f"</{raw[1].lower()}", at)
            if at < 0:
                return


class _TextOfHtml:
    """Collects visible text; a blockquote becomes lines that start with `> `."""

    def __init__(self, html: str) -> None:
        self.lines: list[tuple[int, list[str]]] = [(0, [])]
        self.quotes = 0
        self.open: list[tuple[str, bool]] = []
        self.counts: Counter[str] = Counter()  # of open tags; keeps a stray end tag cheap
        self.unseen = 0
        for text, tag in _tags(html):
            if text and not self.unseen:
                self.lines[-1][1].append(_unescape(text))
            found = _NAME.match(tag)
            if found is None:
                continue
            name = found[2].lower()
            if _BREAK.fullmatch(name):
                self._break()
            if found[1]:
                self._end(name)
            elif not _VOID.fullmatch(name) and not tag.endswith("/"):
                self._begin(name, bool(_HIDDEN.search(tag)))

    def _break(self) -> None:
        self.lines.append((self.quotes, []))

    def _begin(self, name: str, hidden: bool) -> None:
        hides = hidden or name in _UNSEEN
        self.open.append((name, hides))
        self.counts[name] += 1
        self.unseen += hides
        if name == "blockquote":
            self.quotes += 1
            self._break()

    def _end(self, name: str) -> None:
        while self.counts[name]:
            closed, hides = self.open.pop()
            self.counts[closed] -= 1
            self.unseen -= hides
            if closed == "blockquote":
                self.quotes -= 1
                self._break()
            if closed == name:
                return

    def text(self) -> str:
        result: list[str] = []
        for depth, pieces in self.lines:
            line = " ".join("".join(pieces).split())
            if line or (result and result[-1].strip("> ")):
                result.append((">" * min(depth, 9) + " " if depth else "") + line)
        return "\n".join(line.rstrip() for line in result).strip()


def _unescape(text: str) -> str:
    try:
        return html_entities.unescape(text)
    except ValueError:  # a character number of thousands of digits
        return text


def html_to_text(html: str) -> str:
    """The visible text of an HTML mail; what is hidden by style, script or head is left out."""
    return _TextOfHtml(html[:HTML_LIMIT]).text()


def unflow(text: str, *, delsp: bool = False) -> str:
    """Joins the soft line breaks of `format=flowed` (RFC 3676); signatures and quote depths stay
    apart.
    """
    result: list[str] = []
    joinable: int | None = None  # the quote depth of a line that continues on the next
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        body = line[depth:]
        body = body[1:] if body.startswith(" ") else body
        signature = body == "-- "
        if joinable == depth and not signature:
            result[-1] += body
        else:
            result.append((">" * depth + " " if depth else "") + body)
        joinable = depth if body.endswith(" ") and not signature else None
        if joinable is not None and delsp:
            result[-1] = result[-1][:-1]
    return "\n".join(result)


# ---------------------------------------------------------------------------------------- the reply

_ATTRIBUTION = re.compile(
    r"(?:(?:On|Am|Le|El|Il|Op|Em|Den|Dne|W dniu|Il giorno)\b(?=.{0,240}\d).{1,240}"
    r"(?:wrote|schrieb|a écrit|escribió|ha scritto|schreef|escreveu|skrev|napsal(?:\(a\))?|"
    r"napisał(?:\(a\))?)(?:\s.{0,120})?"
    r"|.{1,160}\b(?:schrieb|wrote|écrit|skrev)\s+(?:am|on|le|den)\b(?=.{0,80}\d).{4,80})\s*:\s*",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(
    r"\s*(?:[-_]{2,}\s*(?:original message|ursprüngliche nachricht|originalnachricht|"
    r"message d'origine|mensaje original|messaggio originale|oorspronkelijk bericht|"
    r"forwarded message|weitergeleitete nachricht|message transféré)\s*[-_]{2,}"
    r"|#{2,}.{0,80}\b(?:above|oberhalb|über)\b.{0,80}"
    r"|begin forwarded message:)\s*",
    re.IGNORECASE,
)
_HEADER_LINE = re.compile(
    r"\s*\*?(?:from|sent|date|to|cc|subject|von|gesendet|datum|an|betreff|de|envoyé|à|objet|"
    r"enviado|para|asunto|da|inviato|a|oggetto|van|verzonden|aan|onderwerp)\s?:\*?\s.*",
    re.IGNORECASE,
)
_FROM_LINE = re.compile(r"\s*\*?(?:from|von|de|da|van)\s?:\*?\s.*", re.IGNORECASE)
_RULE = re.compile(r"\s*[_-]{10,}\s*")
_SIGNATURE = re.compile(r"-- ?")
_DEVICE = re.compile(
    r"\s*(?:sent from (?:my|mail|outlook|yahoo)\b.{0,60}|get outlook for\b.{0,60}"
    r"|von meinem .{1,40} gesendet.{0,20}|gesendet (?:von|mit)\b.{0,60}"
    r"|envoyé (?:de|depuis)\b.{0,60}|enviado desde\b.{0,60}|inviato da\b.{0,60})",
    re.IGNORECASE,
)


def _is_quoted(line: str) -> bool:
    return line.lstrip().startswith(">")


def _attribution(lines: list[str], at: int) -> int:
    """How many lines (0 to 3) from `at` on form one "On … wrote:"; mail programs wrap it."""
    joined = ""
    for count, line in enumerate(lines[at : at + 3], start=1):
        if not line.strip() or _is_quoted(line) or len(line) > 300:
            return 0
        joined = f"{joined} {line.strip()}".strip()
        if joined.endswith(":") and _ATTRIBUTION.fullmatch(joined):
            return count
    return 0


def _is_header_block(lines: list[str], at: int) -> bool:
    """Whether Outlook's copy of the headers (From, Sent, To, Subject) begins here."""
    block = [line for line in lines[at : at + 6] if line.strip()]
    return (
        len(block) >= 3
        and bool(_FROM_LINE.fullmatch(lines[at]))
        and sum(bool(_HEADER_LINE.fullmatch(line)) for line in block) >= 3
    )


def _answers(lines: list[str]) -> tuple[list[str], list[str]]:
    """What stands between the quotes: (paragraphs set apart by a blank line, every line).

    A quoted line that a mail program wrapped loses its mark; it is not set apart, and so it does
    not pass for an answer where there is a better one.
    """
    apart: list[str] = []
    every: list[str] = []
    after_blank = False
    for line in lines:
        if _is_quoted(line):
            after_blank = False
            apart.append("")
            every.append("")
        elif not line.strip():
            after_blank = True
            apart.append("")
            every.append("")
        else:
            every.append(line)
            if after_blank:
                apart.append(line)
    return apart, every


def _tidy(lines: list[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip()


def _without_signature(lines: list[str]) -> list[str]:
    for at, line in enumerate(lines):
        if _SIGNATURE.fullmatch(line) or _DEVICE.fullmatch(line):
            return lines[:at]
    return lines


def reply_text(text: str) -> str:
    """What the sender added: `text` without quoted mail, its attribution line, and the signature.

    Answers above, below and between the quotes are kept. Empty if the mail only quotes.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u202f", " ")
    lines = [line.replace("\xa0", " ") for line in text.split("\n")]
    for at, line in enumerate(lines):
        if _SEPARATOR.fullmatch(line) or _is_header_block(lines, at):
            end = at
            while end and (not lines[end - 1].strip() or _RULE.fullmatch(lines[end - 1])):
                end -= 1
            lines = lines[:end]
            break
    top, rest = lines, []
    for at, line in enumerate(lines):
        size = _attribution(lines, at)
        if size:
            top, rest = lines[:at], lines[at + size :]
            break
        if _is_quoted(line):
            top, rest = lines[:at], lines[at:]
            break
    above = _tidy(_without_signature(top))
    if not any(map(_is_quoted, rest)):
        # nothing is marked as quoted: below an attribution everything is
        return above
    apart, every = (_tidy(_without_signature(part)) for part in _answers(rest))
    if above and apart:
        return f"{above}\n\n{apart}"
    return above or apart or every

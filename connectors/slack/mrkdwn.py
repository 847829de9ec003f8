"""Slack's own markup, mrkdwn: what the hub writes becomes it, and what people write is read back.

https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re

_MARKUP = re.compile(
    r"```(?:[a-zA-Z0-9_+-]*\n)?(?P<fence>.*?)```"
    r"|`(?P<code>[^`\n]+)`"
    r"|!?\[(?P<label>[^\]\n]{1,500})\]\((?P<url>(?:https?://|mailto:)[^\s()<>|]{1,2000})\)"
    r"|<?(?P<bare>https?://[^\s<>|\"'`\\)\]]{1,2000})>?"
    r"|\*\*(?P<bold>[^\s*](?:[^*\n]*[^\s*])?)\*\*"
    r"|(?<![\w_])__(?P<bold_>[^\s_](?:[^_\n]*[^\s_])?)__(?![\w_])"
    r"|(?<![\w*])\*(?P<italic>[^\s*](?:[^*\n]*[^\s*])?)\*(?![\w*])"
    r"|~~(?P<strike>[^\s~](?:[^~\n]*[^\s~])?)~~",
    re.S,
)
_LINE = re.compile(
    r"^(?P<hash>#{1,6})[ \t]+(?P<title>[^\n]+?)[ \t]*#*$|^(?P<item>[ \t]*)[*+-][ \t]+"
)
_INSIDE = re.compile(r"<([^<>\n]{1,3000})>")


def escape(text: str) -> str:
    """Text in which nothing is markup for Slack's three control characters: no link, no mention,
    no @channel comes out of what somebody wrote.
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """The characters behind Slack's three entities."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def from_markdown(text: str) -> str:
    """Markdown as mrkdwn: bold, italic, strike, code, links, headings and lists. The rest stays
    as it is written. Quotes keep their `>` at the start of a line, escaped elsewhere.
    """
    pieces, end = [], 0
    for match in _MARKUP.finditer(text):
        pieces.append(_lines(text[end : match.start()], end == 0 or text[end - 1] == "\n"))
        pieces.append(_markup(match))
        end = match.end()
    pieces.append(_lines(text[end:], end == 0 or text[end - 1] == "\n"))
    return "".join(pieces)


def _markup(match: re.Match[str]) -> str:
    kind = match.lastgroup or ""
    inner = match[kind]
    if kind == "fence":
        return f"```\n{escape(inner.strip(chr(10)))}\n```"
    if kind == "code":
        return f"`{escape(inner)}`"
    if kind == "bare":
        return escape(inner)
    if kind == "url":
        label = escape(match["label"]).replace("|", "\u2502")
        return f"<{escape(inner)}|{label}>"
    mark = {"bold": "*", "bold_": "*", "italic": "_", "strike": "~"}[kind]
    return f"{mark}{from_markdown(inner)}{mark}"


def _lines(text: str, at_start: bool) -> str:
    done = []
    for number, line in enumerate(text.split("\n")):
        begins = number > 0 or at_start
        match = _LINE.match(line) if begins else None
        quote = re.match(r"(?:> ?)+", line) if begins else None
        if match and match["hash"]:
            done.append(f"*{escape(match['title'])}*")
        elif match:
            done.append(f"{match['item']}• {escape(line[match.end() :])}")
        elif quote:
            done.append(f"> {escape(line[quote.end() :])}")
        else:
            done.append(escape(line))
    return "\n".join(done)


def plain(text: str) -> str:
    """What a person wrote, as text: mentions by id, links as their address, entities undone."""

    def real(match: re.Match[str]) -> str:
        target, _, label = match[1].partition("|")
        if target.startswith(("@", "#")):
            return target[0] + (label.lstrip("@#") or target[1:])
        if target.startswith("!"):
            word = target[1:].partition("^")[0]
            return label or f"@{word}"
        address = target.removeprefix("mailto:")
        return address if not label or label == address else f"{label} ({address})"

    return unescape(_INSIDE.sub(real, text))

"""A message's fields as Slack takes them: text for notifications, blocks to look at, buttons that
carry a token. What Slack would refuse is refused here, by the name of the field.

https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.sdk import RejectedError
from connectors.sdk.records import Json
from connectors.slack.mrkdwn import escape, from_markdown

SECTION = 3000
"""Characters in one section."""
HEADER = 150
BLOCKS = 50
TOTAL = 12_000
"""Characters in all blocks: Slack names no limit and refuses about 13,200 as
`msg_blocks_too_long` (https://github.com/slackapi/bolt-js/issues/2509).
"""
FALLBACK = 3_900
"""Characters of `text`, which notifications and screen readers take: Slack recommends 4,000."""
BUTTONS = 25
LABEL = 75
TOKEN = 2000
CHOICE = 200
PEOPLE = 8
"""People in one group direct message, besides us."""

CHOSEN = "hub:"
"""How the `action_id` of a button of ours begins; its choice follows."""
LINKED = "hub-link:"
"""The same of a button that only opens an address: Slack tells of those clicks too."""
SUBJECT, TEXT, ACTIONS, DECIDED = "hub-subject", "hub-text", "hub-buttons", "hub-decided"

CHANNEL = re.compile(r"[CGD][A-Z0-9]{2,30}")
PERSON = re.compile(r"[UW][A-Z0-9]{2,30}")
TS = re.compile(r"\d{1,12}\.\d{6}")
_EMAIL = re.compile(r"[^\s@<>]+@[^\s@<>]+")
_KNOWN = frozenset(
    "to channel subject text html format buttons decided in_reply_to".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that Slack can take. Either `channel` or `people` says where to."""

    channel: str | None
    people: Sequence[str]
    thread: str | None
    text: str
    blocks: Sequence[Mapping[str, Json]] = field(default_factory=tuple)


def draft(fields: Mapping[str, Json], usual_channel: str | None) -> Draft:
    """A new message. Raises RejectedError with the fields that cannot be sent."""
    errors: dict[str, str] = {}
    _unknown(fields, errors)
    people = _people(fields.get("to"), errors)
    thread_channel, thread = _thread(fields.get("in_reply_to"), errors)
    channel = fields.get("channel") or thread_channel
    if channel is not None and not (isinstance(channel, str) and CHANNEL.fullmatch(channel)):
        errors["channel"] = "is not the ID of a channel; it stands at the end of its address: C0…"
    elif channel and thread_channel and channel != thread_channel:
        errors["in_reply_to"] = "is a message in another channel"
    elif people and fields.get("channel"):
        errors["to"] = "names people, and there is a channel too: one message has one place"
    if not channel and not people:
        channel = usual_channel
        if channel is None and not errors:
            errors["to"] = "names nobody, there is no channel, and the connection has none either"
    text, blocks = content(fields, errors)
    if errors:
        raise RejectedError("The message cannot be sent as it is: " + told(errors), errors)
    return Draft(channel, () if channel else people, thread, text, blocks)


def content(
    fields: Mapping[str, Json], errors: dict[str, str]
) -> tuple[str, list[Mapping[str, Json]]]:
    """(text, blocks) of what a message says; what is wrong with it goes into `errors`."""
    subject = _line(fields.get("subject"), "subject", errors)
    body = fields.get("text")
    kind = fields.get("format") or "plain"
    if body is not None and not isinstance(body, str):
        errors["text"] = "must be text"
        body = ""
    if kind not in ("plain", "markdown"):
        errors["format"] = "is plain or markdown"
    written = (body or "").strip().replace("\r\n", "\n").replace("\x00", "")
    shown = from_markdown(written) if kind == "markdown" else escape(written)
    blocks: list[Mapping[str, Json]] = []
    if subject and len(subject) <= HEADER:
        text = {"type": "plain_text", "text": subject, "emoji": False}
        blocks.append({"type": "header", "block_id": SUBJECT, "text": text})
    elif subject:
        blocks.append(_section(f"*{escape(subject)[: SECTION - 2]}*", SUBJECT))
    for number, part in enumerate(parts(shown)):
        blocks.append(_section(part, f"{TEXT}-{number}"))
    blocks += _buttons(fields.get("buttons"), errors)
    blocks += decided(fields.get("decided"), errors)
    if not blocks and "text" not in errors:
        errors["text"] = "is empty"
    elif len(blocks) > BLOCKS or sum(map(_length, blocks)) > TOTAL:
        errors["text"] = f"is longer than the {TOTAL:,} characters that fit into a Slack message"
    fallback = f"{escape(subject)}\n{shown}".strip()
    return _cut(fallback or "…", FALLBACK), blocks


def decided(value: Json, errors: dict[str, str]) -> list[Mapping[str, Json]]:
    """The line that takes the buttons' place: who decided what, and when."""
    said = _line(value, "decided", errors)
    if not said:
        return []
    text = {"type": "mrkdwn", "text": _cut(escape(said), SECTION)}
    return [{"type": "context", "block_id": DECIDED, "elements": [text]}]


def revised(fields: Mapping[str, Json], now: Mapping[str, Any]) -> tuple[str, list[Json]]:
    """(text, blocks) of a message of ours after an update of these fields; `now` is what Slack
    holds. A decision takes the buttons away. Raises RejectedError.
    """
    errors: dict[str, str] = {}
    _unknown(fields, errors)
    for name in ("to", "channel", "in_reply_to"):
        if fields.get(name):
            errors[name] = "cannot be changed: a message stays where it is"
    text, blocks = str(now.get("text") or "…"), list(now.get("blocks") or [])
    if {"subject", "text"} & fields.keys():
        said = {name: fields[name] for name in ("subject", "text", "format") if name in fields}
        rewritten = SUBJECT if "text" not in fields else TEXT if "subject" not in fields else "hub-"
        again, written = content(said, errors)
        kept = [one for one in blocks if _kept(str(one.get("block_id")), rewritten)]
        blocks = [*written, *kept]
        text = again if "text" in fields else text
    if "buttons" in fields or fields.get("decided"):
        blocks = [one for one in blocks if one.get("block_id") != ACTIONS]
        blocks += _buttons(fields.get("buttons"), errors)
    if "decided" in fields:
        blocks = [one for one in blocks if one.get("block_id") != DECIDED]
        blocks += decided(fields["decided"], errors)
    blocks = _ordered(blocks)
    if len(blocks) > BLOCKS or sum(map(_length, blocks)) > TOTAL:
        errors["text"] = f"is longer than the {TOTAL:,} characters that fit into a Slack message"
    if errors:
        raise RejectedError("The message cannot be changed like this: " + told(errors), errors)
    return text, blocks


def _kept(id: str, rewritten: str) -> bool:
    return id in (ACTIONS, DECIDED) or not id.startswith(rewritten)


def _ordered(blocks: Sequence[Json]) -> list[Json]:
    def place(block: Json) -> int:
        id = str(block.get("block_id"))
        return {SUBJECT: 0, ACTIONS: 2, DECIDED: 3}.get(id, 1)

    return sorted(blocks, key=place)


def parts(text: str) -> list[str]:
    """Pieces of at most a section's length, cut at paragraphs, lines or words where there are
    some, and never inside an entity or a link.
    """
    found = []
    while len(text) > SECTION:
        end = max(text.rfind("\n\n", 1, SECTION), 0) or max(text.rfind("\n", 1, SECTION), 0)
        if end < SECTION // 2:
            end = max(end, text.rfind(" ", 1, SECTION)) or SECTION
        end = _outside(text, end)
        found.append(text[:end].rstrip())
        text = text[end:].lstrip("\n ")
    return [piece for piece in (*found, text) if piece]


def _outside(text: str, end: int) -> int:
    """`end`, or before the link or entity that it would cut."""
    link = text.rfind("<", 0, end)
    if link > 0 and ">" not in text[link:end]:
        return link
    entity = text.rfind("&", max(0, end - 5), end)
    return entity if entity > 0 and ";" not in text[entity:end] else end


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: _outside(text, limit - 1)] + "…"


def told(errors: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {why}" for name, why in errors.items()) + "."


def _section(text: str, id: str) -> Mapping[str, Json]:
    return {"type": "section", "block_id": id, "text": {"type": "mrkdwn", "text": text}}


def _length(block: Mapping[str, Json]) -> int:
    text = block.get("text")
    return len(text["text"]) if isinstance(text, Mapping) else 0


def _unknown(fields: Mapping[str, Json], errors: dict[str, str]) -> None:
    for name in fields.keys() - _KNOWN:
        errors[name] = "is not a field that can be written"


def _line(value: Json, name: str, errors: dict[str, str]) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        errors[name] = "must be text"
        return ""
    return " ".join(value.split())


def _people(value: Json, errors: dict[str, str]) -> list[str]:
    """E-mail addresses and Slack user IDs, each once."""
    given = [value] if isinstance(value, str) else value or []
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        errors["to"] = "must be e-mail addresses or Slack user IDs"
        return []
    people = list(dict.fromkeys(one.strip() for one in given if one.strip()))
    for one in people:
        if not (PERSON.fullmatch(one) or _EMAIL.fullmatch(one)):
            errors["to"] = f"'{one[:60]}' is neither an e-mail address nor a Slack user ID"
    if len(people) > PEOPLE:
        errors["to"] = f"names {len(people)} people; one message reaches at most {PEOPLE}"
    return people


def _thread(value: Json, errors: dict[str, str]) -> tuple[str | None, str | None]:
    if not value:
        return None, None
    channel, _, ts = str(value).partition(":")
    if not (CHANNEL.fullmatch(channel) and TS.fullmatch(ts)):
        errors["in_reply_to"] = "is not the id of a Slack message (C…:1700000000.000100)"
        return None, None
    return channel, ts


def _buttons(value: Json, errors: dict[str, str]) -> list[Mapping[str, Json]]:
    """One block of buttons. Each has `text`, and `choice` with `token`, or `url`."""
    if not value:
        return []
    if not isinstance(value, list) or len(value) > BUTTONS:
        errors["buttons"] = f"must be a list of at most {BUTTONS}"
        return []
    elements: list[Mapping[str, Json]] = []
    for number, button in enumerate(value):
        wrong = _wrong_button(button)
        if wrong:
            errors["buttons"] = f"button {number + 1} {wrong}"
            return []
        element: dict[str, Json] = {
            "type": "button",
            "text": {"type": "plain_text", "text": button["text"], "emoji": False},
        }
        if "url" in button:
            element |= {"action_id": f"{LINKED}{number}", "url": button["url"]}
        else:
            element |= {"action_id": CHOSEN + button["choice"], "value": button["token"]}
        if button.get("style"):
            element["style"] = button["style"]
        elements.append(element)
    if len({one["action_id"] for one in elements}) < len(elements):
        errors["buttons"] = "offers the same choice twice"
        return []
    return [{"type": "actions", "block_id": ACTIONS, "elements": elements}]


def _wrong_button(button: Json) -> str | None:
    if not isinstance(button, dict):
        return "must have text, and choice and token, or url"
    if extra := button.keys() - {"text", "choice", "token", "url", "style"}:
        return f"has {', '.join(sorted(extra))}, which no button has"
    sizes = {"text": LABEL, "choice": CHOICE, "token": TOKEN, "url": 3000}
    for name, size in sizes.items():
        given = button.get(name)
        if given is not None and not (isinstance(given, str) and 0 < len(given) <= size):
            return f"must have 1 to {size:,} characters as {name}"
    if "text" not in button:
        return "has no text"
    if ("url" in button) == ("choice" in button) or ("token" in button) != ("choice" in button):
        return "must have choice and token, or url"
    if "url" in button and not button["url"].startswith(("https://", "http://")):
        return "must open an address that begins with https://"
    if button.get("style") not in (None, "primary", "danger"):
        return "has a style; it is primary or danger"
    return None

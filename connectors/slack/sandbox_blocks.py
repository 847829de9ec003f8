"""What Slack refuses in the blocks of a message, with its limits.

https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

from typing import Any

from connectors.slack.sandbox_state import Refused

_BLOCKS = {
    "section": {"type", "block_id", "text"},
    "header": {"type", "block_id", "text"},
    "context": {"type", "block_id", "elements"},
    "actions": {"type", "block_id", "elements"},
    "divider": {"type", "block_id"},
}
_BUTTON = {"type", "text", "action_id", "value", "url", "style"}
TOO_LONG = 13_200


def check_blocks(blocks: Any) -> None:
    """Raises Refused."""
    if not isinstance(blocks, list):
        raise Refused("invalid_blocks_format")
    if len(blocks) > 50:
        raise Refused("invalid_blocks")
    ids = [block.get("block_id") for block in blocks if isinstance(block, dict)]
    _need(len(set(ids)) == len(blocks))
    for block in blocks:
        _need(isinstance(block, dict) and block.get("type") in _BLOCKS)
        _need(block.keys() <= _BLOCKS[block["type"]] and 0 < len(block["block_id"]) <= 255)
        kind = block["type"]
        if kind == "section":
            _text(block.get("text"), {"mrkdwn", "plain_text"}, 3000)
        elif kind == "header":
            _text(block.get("text"), {"plain_text"}, 150)
        elif kind == "context":
            _need(isinstance(block.get("elements"), list) and 0 < len(block["elements"]) <= 10)
            for element in block["elements"]:
                _text(element, {"mrkdwn", "plain_text"}, 3000)
        elif kind == "actions":
            _need(isinstance(block.get("elements"), list) and 0 < len(block["elements"]) <= 25)
            names = [_button(element) for element in block["elements"]]
            _need(len(set(names)) == len(names))
    if sum(len(b["text"]["text"]) for b in blocks if isinstance(b.get("text"), dict)) > TOO_LONG:
        raise Refused("msg_blocks_too_long")


def _need(condition: object) -> None:
    if not condition:
        raise Refused("invalid_blocks")


def _text(text: Any, kinds: set[str], longest: int) -> None:
    _need(isinstance(text, dict) and text.get("type") in kinds)
    _need(text.keys() <= {"type", "text", "emoji", "verbatim"})
    _need(isinstance(text.get("text"), str) and 0 < len(text["text"]) <= longest)
    _need("emoji" not in text or text["type"] == "plain_text")


def _button(element: Any) -> str:
    _need(isinstance(element, dict) and element.get("type") == "button")
    _need(element.keys() <= _BUTTON)
    _text(element.get("text"), {"plain_text"}, 75)
    _need(isinstance(element.get("action_id"), str) and 0 < len(element["action_id"]) <= 255)
    _need(len(element.get("value", "")) <= 2000 and len(element.get("url", "")) <= 3000)
    _need(element.get("style") in (None, "primary", "danger"))
    return str(element["action_id"])

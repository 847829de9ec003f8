"""Slack's messages and people as records. Pure.

A message is named by its channel and its `ts`, which is text: a float would lose its last digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.sdk import Field, PayloadError, Record
from connectors.sdk.paging import digest
from connectors.slack.blocks import TS
from connectors.slack.mrkdwn import plain

MESSAGE, USER = "message", "user"
Row = Mapping[str, Any]
EVENT_TYPE = "process_hub_message"
"""The `event_type` of the metadata that our messages carry, with our key in `event_payload`."""

WRITTEN = frozenset({None, "thread_broadcast", "file_share", "me_message", "bot_message"})
"""Subtypes that somebody wrote. The others (`channel_join`, …) tell of what happened."""
_MOVING = frozenset(
    {
        # how the thread below goes on, who has read it and what was clicked on it: none of it is
        # the message, and each would make it look changed
        *("reply_count", "reply_users", "reply_users_count", "latest_reply", "replies"),
        *("subscribed", "last_read", "unread_count", "is_locked", "reactions", "event_ts"),
        *("channel_type", "hidden", "client_msg_id", "parent_user_id", "pinned_to", "bot_profile"),
    }
)

MESSAGE_FIELDS = (
    Field("to", "list", "People, as e-mail addresses or user IDs"),
    Field("channel", "text", "Channel ID"),
    Field("subject", "text", "Heading (when writing)"),
    Field("text", "text", "Text"),
    Field("format", "choice", "How the text is written", ("plain", "markdown")),
    Field("html", "text", "Ignored: Slack shows the text"),
    Field("buttons", "list", "Buttons: text, choice, token, style; or text, url (when writing)"),
    Field("decided", "text", "What takes the buttons' place (when writing)"),
    Field("in_reply_to", "text", "The message whose thread it is in"),
    Field("references", "list", "The messages of ours that it answers", writable=False),
    Field("ts", "text", "Slack's time stamp, unique in the channel", writable=False),
    Field("thread_ts", "text", "Time stamp of the thread", writable=False),
    Field("user", "user", "Author's user ID", writable=False),
    Field("from", "user", "Author's e-mail address, of answers", writable=False),
    Field("from_name", "text", "Author's name, of answers", writable=False),
    Field("reply", "text", "Text without markup", writable=False),
    Field("blocks", "list", "Blocks", writable=False),
    Field("edited", "object", "Who edited it, and when", writable=False),
    Field("metadata", "object", "Metadata of the app that wrote it", writable=False),
    Field("auto_submitted", "boolean", "Written by an app", writable=False),
    Field("own", "boolean", "Written by this app", writable=False),
)

USER_FIELDS = (
    Field("id", "text", "User ID", writable=False),
    Field("name", "text", "Handle", writable=False),
    Field("real_name", "text", "Name", writable=False),
    Field("profile", "object", "Profile, with `email` and `display_name`", writable=False),
    Field("deleted", "boolean", "Deactivated", writable=False),
    Field("is_bot", "boolean", "A bot", writable=False),
    Field("is_restricted", "boolean", "A guest", writable=False),
    Field("is_stranger", "boolean", "From another workspace", writable=False),
    Field("tz", "text", "Time zone", writable=False),
    Field("updated", "number", "Epoch seconds of the last change", writable=False),
)


def message_id(channel: str, ts: str) -> str:
    return f"{channel}:{ts}"


def place_of(id: str) -> tuple[str, str]:
    """(channel, ts) of a message's id. Raises PayloadError for what is none."""
    channel, _, ts = id.partition(":")
    if not channel or not TS.fullmatch(ts):
        raise PayloadError(f"'{id[:60]}' is not the id of a Slack message.", "id")
    return channel, ts


def metadata(key: str) -> dict[str, Any]:
    """What a message of ours carries, so that it can be found by its key."""
    return {"event_type": EVENT_TYPE, "event_payload": {"key": key}}


def key_of(row: Row) -> str | None:
    """The key in a message's metadata; whether the message is ours is another question."""
    found = row.get("metadata")
    if not isinstance(found, dict) or found.get("event_type") != EVENT_TYPE:
        return None
    payload = found.get("event_payload")
    key = payload.get("key") if isinstance(payload, dict) else None
    return key if isinstance(key, str) and key else None


def is_gone(row: Row) -> bool:
    """What Slack leaves in place of a deleted message that has replies."""
    return row.get("subtype") == "tombstone"


def thread_of(row: Row) -> str | None:
    """The thread that a message is in as a reply; None for the message that began it."""
    thread = row.get("thread_ts")
    return thread if isinstance(thread, str) and thread != row.get("ts") else None


def ts_of(row: Row) -> str:
    ts = row.get("ts")
    if not isinstance(ts, str) or not TS.fullmatch(ts):
        raise PayloadError("A message has no time stamp (ts) as text.", "ts")
    return ts


def moment(ts: str) -> datetime:
    """A message's time; its last digits are a counter, not microseconds."""
    seconds, _, counter = ts.partition(".")
    try:
        return datetime.fromtimestamp(int(seconds), UTC).replace(microsecond=int(counter))
    except (ValueError, OverflowError, OSError):
        raise PayloadError("A time stamp (ts) lies outside all time.", "ts") from None


def stamp_of(row: Row) -> str:
    """A short name for what a message says: it changes when the message is edited."""
    said = {name: value for name, value in row.items() if name not in _MOVING}
    if thread_of(row) is None:
        said.pop("thread_ts", None)  # the first reply adds it
    return digest(said)[:8]


def message_record(
    row: Row,
    channel: str,
    *,
    own: bool,
    parent: Row | None = None,
    author: Row | None = None,
    url: str | None = None,
) -> Record:
    """A message. `parent` is the message of ours that began its thread, `author` the user who
    wrote it; both only where it may be an answer.
    """
    ts, thread = ts_of(row), thread_of(row)
    data = {name: value for name, value in row.items() if name not in _MOVING}
    if thread is None:
        data.pop("thread_ts", None)
    else:
        key = key_of(parent) if parent else None
        data["in_reply_to"] = f"<{key}@slack>" if key else message_id(channel, thread)
        data["references"] = [data["in_reply_to"]]
    data["channel"] = channel
    data["reply"] = plain(str(row.get("text") or ""))
    data["auto_submitted"] = "bot_id" in row or row.get("subtype") == "bot_message"
    data["own"] = own
    data["from"], data["from_name"] = _who(row, author)
    edited = row.get("edited")
    changed = edited.get("ts") if isinstance(edited, dict) else None
    version = changed if isinstance(changed, str) and TS.fullmatch(changed) else ts
    user = row.get("user") or row.get("bot_id")
    return Record(
        MESSAGE,
        message_id(channel, ts),
        data,
        address={"channel": channel, "ts": ts, "thread_ts": thread},
        version=max(version, ts),
        updated_at=moment(max(version, ts)),
        url=url and f"{url}archives/{channel}/p{ts.replace('.', '')}",
        actor=user if isinstance(user, str) else None,
        key=key_of(row) if own else None,
    )


def _who(row: Row, author: Row | None) -> tuple[str | None, str | None]:
    if author is None:
        return None, None
    profile = author.get("profile")
    about = profile if isinstance(profile, dict) else {}
    name = about.get("real_name") or author.get("real_name") or author.get("name")
    return about.get("email") or row.get("user"), name


def gone_record(channel: str, ts: str, actor: str | None = None) -> Record:
    """A message that was deleted."""
    return Record(
        MESSAGE,
        message_id(channel, ts),
        {"channel": channel, "ts": ts},
        address={"channel": channel, "ts": ts, "thread_ts": None},
        deleted=True,
        actor=actor,
    )


def user_record(row: Row, url: str | None = None) -> Record:
    """A person, a guest or a bot; `deleted` is what Slack calls a deactivated account."""
    id, updated = row.get("id"), row.get("updated")
    if not isinstance(id, str) or not id:
        raise PayloadError("A user has no id.", "id")
    stamp = updated if isinstance(updated, int) and 0 <= updated < 10**11 else None
    return Record(
        USER,
        id,
        dict(row),
        version=f"{stamp:012d}" if stamp is not None else None,
        updated_at=datetime.fromtimestamp(stamp, UTC) if stamp is not None else None,
        deleted=row.get("deleted") is True,
        url=url and f"{url}team/{id}",
    )

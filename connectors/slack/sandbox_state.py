"""The sandbox's workspace: people, channels, messages and threads, in Slack's shapes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]

TEAM, APP, BOT, BOT_USER = "T0SANDBOX", "A0SANDBOX", "B0SANDBOX", "U0HUBAPP"


class Refused(Exception):
    """An `ok: false` answer. `more` are further fields of it."""

    def __init__(self, code: str, **more: Any) -> None:
        super().__init__(code)
        self.code = code
        self.more = more


@dataclass
class Channel:
    """A channel or direct message. `messages` by time stamp, replies among them."""

    id: str
    name: str
    created: int
    members: list[str]
    kind: str = "public_channel"
    archived: bool = False
    messages: dict[str, Row] = field(default_factory=dict)

    @property
    def type(self) -> str:
        return {"public_channel": "channel", "private_channel": "group"}.get(self.kind, self.kind)

    def shown(self) -> Row:
        row: Row = {"id": self.id, "created": self.created, "is_archived": self.archived}
        if self.kind == "im":
            other = next(one for one in self.members if one != BOT_USER)
            return row | {"is_im": True, "user": other}
        private = self.kind != "public_channel"
        return row | {
            "name": self.name,
            "is_channel": self.kind == "public_channel",
            "is_group": self.kind == "private_channel",
            "is_mpim": self.kind == "mpim",
            "is_private": private,
            "is_member": BOT_USER in self.members,
        }

    def history(self) -> list[Row]:
        """What the channel itself shows, newest first: replies stay in their threads."""
        shown = [
            row
            for row in self.messages.values()
            if row.get("thread_ts") in (None, row["ts"]) or row.get("subtype") == "thread_broadcast"
        ]
        return sorted(shown, key=lambda row: row["ts"], reverse=True)

    def thread(self, ts: str) -> list[Row]:
        """The message that began a thread, then its replies, oldest first."""
        replies = [one for one in self.messages.values() if one.get("thread_ts") == ts != one["ts"]]
        return [self.messages[ts], *sorted(replies, key=lambda row: row["ts"])]


class Workspace:
    """Everything the sandbox holds. `emit` is told of each event. Used under the sandbox's lock."""

    def __init__(self, emit: Callable[[Row], None]) -> None:
        self._emit = emit
        self._numbers = itertools.count(1)
        self.ahead = 0.0
        self.users: dict[str, Row] = {}
        self.channels: dict[str, Channel] = {}

    def now(self) -> float:
        return time.time() + self.ahead

    def number(self, prefix: str) -> str:
        return f"{prefix}0{next(self._numbers):07d}"

    # people -----------------------------------------------------------------------------------

    def add_user(
        self, name: str, email: str | None, *, id: str | None = None, bot: bool = False,
        at: float | None = None,
    ) -> Row:  # fmt: skip
        profile: Row = {"real_name": name, "display_name": name.split()[0].lower(), "title": ""}
        if email:
            profile["email"] = email
        row: Row = {
            "id": id or self.number("U"),
            "team_id": TEAM,
            "name": name.lower().replace(" ", "."),
            "deleted": False,
            "real_name": name,
            "tz": "Europe/Zurich",
            "profile": profile | ({"bot_id": BOT, "api_app_id": APP} if bot else {}),
            "is_bot": bot,
            "is_admin": False,
            "is_restricted": False,
            "is_app_user": False,
            "updated": int(at if at is not None else self.now()),
        }
        self.users[row["id"]] = row
        return row

    def change_user(self, id: str, **profile: Any) -> None:
        row = self.users[id]
        deleted = profile.pop("deleted", row["deleted"])
        row = {
            **row,
            "profile": {**row["profile"], **profile},
            "deleted": deleted,
            "updated": max(int(self.now()), row["updated"]),
        }
        self.users[id] = row
        self._emit({"type": "user_change", "user": row, "cache_ts": row["updated"]})

    def user_by_email(self, email: str) -> Row:
        for row in self.users.values():
            if row["profile"].get("email", "").lower() == email.lower() and not row["deleted"]:
                return row
        raise Refused("users_not_found")

    # channels ---------------------------------------------------------------------------------

    def add_channel(self, name: str, members: list[str], kind: str = "public_channel") -> Channel:
        prefix = {"im": "D", "public_channel": "C"}.get(kind, "G" if kind == "mpim" else "C")
        channel = Channel(self.number(prefix), name, int(self.now()) - 86_400, members, kind)
        self.channels[channel.id] = channel
        return channel

    def direct(self, users: list[str], make: bool) -> Channel | None:
        """The direct message of the app with these people."""
        members = sorted({*users, BOT_USER})
        for channel in self.channels.values():
            if channel.kind in ("im", "mpim") and sorted(channel.members) == members:
                return channel
        if not make:
            return None
        return self.add_channel("", members, "im" if len(members) == 2 else "mpim")

    # messages ---------------------------------------------------------------------------------

    def stamp(self, channel: Channel, at: float | None = None) -> str:
        """A time stamp that no message of the channel has."""
        number = int((self.now() if at is None else at) * 1_000_000)
        while (ts := f"{number // 1_000_000}.{number % 1_000_000:06d}") in channel.messages:
            number += 1
        return ts

    def post(
        self, channel: Channel, user: str, text: str, *, thread: str | None = None,
        at: float | None = None, **more: Any,
    ) -> Row:  # fmt: skip
        row: Row = {
            "type": "message",
            "user": user,
            "text": text,
            "ts": self.stamp(channel, at),
            "team": TEAM,
            **more,
        }
        if thread is not None:
            row["thread_ts"] = thread
        channel.messages[row["ts"]] = row
        if thread is not None:
            self._count(channel, thread)
        self._tell(channel, row)
        return row

    def _tell(self, channel: Channel, row: Row) -> None:
        place = {"channel": channel.id, "channel_type": channel.type, "event_ts": row["ts"]}
        self._emit({**self.seen(row, everything=False), **place})
        if f"<@{BOT_USER}>" in row["text"] and channel.kind not in ("im", "mpim"):
            mention: Row = {
                k: row[k] for k in ("user", "text", "ts", "team", "thread_ts") if k in row
            }
            place.pop("channel_type")
            self._emit({"type": "app_mention", **mention, **place})

    def seen(self, row: Row, *, everything: bool) -> Row:
        """A message as the API shows it: without `include_all_metadata` only the metadata's
        event type is there.
        """
        shown = {**row}
        if "metadata" in row and not everything:
            shown["metadata"] = {"event_type": row["metadata"]["event_type"]}
        return shown

    def _count(self, channel: Channel, thread: str) -> None:
        begun, *replies = channel.thread(thread)
        kept = {k: v for k, v in begun.items() if not k.startswith(("reply_", "latest_"))}
        if replies:
            users = list(dict.fromkeys(row["user"] for row in replies))
            kept |= {
                "thread_ts": thread,
                "reply_count": len(replies),
                "reply_users_count": len(users),
                "latest_reply": replies[-1]["ts"],
                "reply_users": users,
                "is_locked": False,
                "subscribed": True,
            }
        else:
            kept.pop("thread_ts", None)
        channel.messages[thread] = kept

    def edit(self, channel: Channel, ts: str, by: str, **changes: Any) -> Row:
        before = channel.messages[ts]
        row = {**before, **changes, "edited": {"user": by, "ts": self.stamp(channel)}}
        channel.messages[ts] = row
        self._emit(
            {
                "type": "message",
                "subtype": "message_changed",
                "hidden": True,
                "message": self.seen(row, everything=False),
                "previous_message": self.seen(before, everything=False),
                "channel": channel.id,
                "channel_type": channel.type,
                "ts": self.stamp(channel),
                "event_ts": self.stamp(channel),
            }
        )
        return row

    def delete(self, channel: Channel, ts: str) -> None:
        """What has replies leaves a tombstone, as at Slack."""
        before = channel.messages.pop(ts)
        if before.get("reply_count"):
            channel.messages[ts] = {
                "type": "message",
                "subtype": "tombstone",
                "user": "USLACKBOT",
                "text": "This message was deleted.",
                "hidden": True,
                **{k: v for k, v in before.items() if k.startswith(("ts", "thread", "reply_"))},
                "latest_reply": before["latest_reply"],
            }
        thread = before.get("thread_ts")
        if thread not in (None, ts):
            self._count(channel, thread)
        self._emit(
            {
                "type": "message",
                "subtype": "message_deleted",
                "hidden": True,
                "deleted_ts": ts,
                "previous_message": self.seen(before, everything=False),
                "channel": channel.id,
                "channel_type": channel.type,
                "ts": self.stamp(channel),
                "event_ts": self.stamp(channel),
            }
        )

    def all_messages(self) -> Iterator[tuple[Channel, Mapping[str, Any]]]:
        for channel in self.channels.values():
            for row in channel.messages.values():
                if row.get("subtype") != "tombstone":
                    yield channel, row

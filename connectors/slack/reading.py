"""Reading what Slack holds: channels forward from where the last pull stopped, their threads, and
the message that carries a key.

Slack lists a channel newest first. A pull walks back to where it knows everything, and hands the
pages out in the other direction; of a long walk only the oldest pages are kept, and the others are
read once more when it is their turn, so that memory does not grow with the channel.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import islice

from connectors.sdk import (
    Change,
    ConfigError,
    NotFoundError,
    Page,
    RateLimitError,
    Record,
)
from connectors.sdk.records import Cursor, Json
from connectors.slack.client import Identity, SlackClient
from connectors.slack.config import SlackConfig
from connectors.slack.errors import PlaceError
from connectors.slack.people import People
from connectors.slack.records import (
    WRITTEN,
    Row,
    gone_record,
    is_gone,
    key_of,
    message_record,
    place_of,
    stamp_of,
    thread_of,
    ts_of,
)

OVERLAP = timedelta(minutes=5)
"""How far before a lost create `find` begins: clocks differ."""
WINDOW = 200
"""Messages of a channel that are read again each time, for edits, deletions and new replies."""
SMALLEST = 20
REMEMBERED = 800
"""Messages that a cursor remembers of all channels; beyond `REMEMBERED / SMALLEST` channels, more.
"""
HELD = 2
"""Pages held while walking back."""
FEW = 4
"""Messages of a channel from which on they are looked for in its list."""
DOUBTED = 20
"""Messages that are looked up in one pull because they are no longer listed."""
KINDS: Mapping[str, str] = {
    "public_channel": "channels:read",
    "private_channel": "groups:read",
    "im": "im:read",
    "mpim": "mpim:read",
}


@dataclass(slots=True)
class Seen:
    """What a cursor knows of one channel. `messages` are the newest ones from `since` on: time
    stamp to a digest, the thread a reply is in ("" for others) and how far its own thread went.
    `window` is how many are remembered, replies not counted and as many replies.
    """

    since: str = "0"
    window: int = WINDOW
    messages: dict[str, tuple[str, str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: Json, beginning: str, window: int) -> Seen:
        if not isinstance(stored, dict):
            return cls(beginning, window)
        known = {
            ts: (what, "", "") if isinstance(what, str) else (what[0], what[1], what[2])
            for ts, what in stored["messages"].items()
        }
        return cls(stored["since"], window, known)

    def stored(self) -> Json:
        """JSON, bounded: `since` moves up to the oldest message that is still remembered."""
        tops = sorted(ts for ts, (_, thread, _) in self.messages.items() if not thread)
        if len(tops) > self.window:
            tops = tops[-self.window :]
            self.since = tops[0]
        kept = set(tops)
        replies = sorted(ts for ts, (_, thread, _) in self.messages.items() if thread in kept)
        kept |= set(replies[-self.window :])
        self.messages = {ts: what for ts, what in self.messages.items() if ts in kept}
        return {
            "since": self.since,
            "messages": {
                ts: [*what] if what[1] or what[2] else what[0] for ts, what in self.messages.items()
            },
        }


class Reader:
    """Safe in threads."""

    def __init__(self, client: SlackClient, settings: SlackConfig, people: People) -> None:
        self._client = client
        self._settings = settings
        self._people = people

    def pull(self, cursor: Cursor) -> Iterator[Page]:
        """Every channel in turn; those that cannot be read are told of after the others."""
        identity = self._client.identity()
        channels = self.channels(identity)
        begun = cursor.get("turn")
        if begun in channels:  # where Slack's limit ended the last pull
            channels = channels[channels.index(begun) :] + channels[: channels.index(begun)]
        known = cursor.get("channels")
        # those that are not listed now are kept too: a list may be short for once
        position = dict(known) if isinstance(known, dict) else {}
        refused: list[str] = []
        window = min(WINDOW, max(SMALLEST, REMEMBERED // max(1, len(channels))))
        for channel in channels:
            seen = Seen.of(position.get(channel), self._beginning(), window)
            try:
                for records in self._channel(identity, channel, seen):
                    position = {**position, channel: seen.stored()}
                    yield Page(records, {"channels": position})
            except RateLimitError:
                yield Page([], {"channels": position, "turn": channel})
                raise
            except (NotFoundError, PlaceError) as error:
                refused.append(f"{channel}: {error}")
        if refused:
            raise ConfigError(
                "Not every channel could be read; correct `channels`, or invite the app: "
                + " ".join(refused)
            )

    def channels(self, identity: Identity) -> list[str]:
        """What is read: the configured channels and all direct messages, or all that we are in."""
        wanted = ("im", "mpim") if self._settings.channels else tuple(KINDS)
        kinds = [one for one in wanted if not identity.scopes or KINDS[one] in identity.scopes]
        found = list(dict.fromkeys(self._settings.channels))
        if kinds:
            for page in self._client.pages(
                "users.conversations",
                "channels",
                types=",".join(kinds),
                exclude_archived=True,
                limit=200,
            ):
                found += [str(row.get("id")) for row in page.rows]
        return sorted(dict.fromkeys(found))

    def _beginning(self) -> str:
        since = self._settings.since
        return f"{datetime.combine(since, time(), UTC).timestamp():.6f}" if since else "0"

    def _channel(self, identity: Identity, channel: str, seen: Seen) -> Iterator[list[Record]]:
        present: set[str] = set()
        held: deque[tuple[str, str, Sequence[Row]]] = deque(maxlen=HELD)
        edges: list[tuple[str, str, bool]] = []
        for page in self._history(channel, oldest=seen.since):
            stamps = [ts_of(row) for row in page]
            present.update(ts for ts in stamps if ts in seen.messages)
            if stamps:
                edges.append((min(stamps), max(stamps), self._has_news(identity, page, seen)))
                held.append((*edges[-1][:2], page))
        if gone := self._gone(channel, seen, present):
            yield gone
        for oldest, newest, news in reversed(edges):
            kept = held.pop() if held and held[-1][:2] == (oldest, newest) else None
            if not news:
                continue
            pages = [kept[2]] if kept else self._history(channel, oldest=oldest, latest=newest)
            rows = sorted((row for page in pages for row in page), key=ts_of)
            records = self._news(identity, channel, rows, seen)
            if records:
                yield records

    def _has_news(self, identity: Identity, rows: Sequence[Row], seen: Seen) -> bool:
        """Whether any of these rows, or a thread below one, is not known like this."""
        return any(
            seen.messages.get(ts_of(row), ("", "", ""))[::2]
            != (stamp_of(row), self._reached(identity, row))
            for row in rows
            if row.get("subtype") in WRITTEN or is_gone(row)
        )

    def _reached(self, identity: Identity, row: Row) -> str:
        """How far the thread below a message went; "" where there is none that is read."""
        if not row.get("reply_count") or thread_of(row) is not None:
            return ""
        if self._settings.threads == "ours" and not is_ours(row, identity):
            return ""
        return f"{row['reply_count']}:{row.get('latest_reply') or ''}"

    def _history(
        self, channel: str, *, oldest: str, latest: str | None = None
    ) -> Iterator[Sequence[Row]]:
        for page in self._client.pages(
            "conversations.history",
            "messages",
            channel=channel,
            oldest=oldest,
            latest=latest,
            inclusive=True,
            limit=self._settings.page_size,
            include_all_metadata=True,
        ):
            yield page.rows

    def _gone(self, channel: str, seen: Seen, present: set[str]) -> list[Record]:
        """Messages that are no longer listed, each asked for by name before it is believed."""
        missing = [
            ts for ts, (_, thread, _) in seen.messages.items() if not thread and ts not in present
        ]
        records = [self.one(channel, ts) for ts in missing[:DOUBTED]]
        for record in records:
            if record.deleted:
                seen.messages.pop(str(record.address["ts"]), None)
        return [record for record in records if record.deleted]

    def _news(
        self, identity: Identity, channel: str, rows: Sequence[Row], seen: Seen
    ) -> list[Record]:
        """What of these rows, and of the threads below them, was not seen like this."""
        records = []
        for row in rows:
            ts = ts_of(row)
            stamp, reached = stamp_of(row), self._reached(identity, row)
            known = seen.messages.get(ts)
            if is_gone(row):
                if known is not None and known[0] != stamp:
                    records.append(gone_record(channel, ts))
            elif row.get("subtype") not in WRITTEN:
                continue
            elif known is None or known[0] != stamp:
                # a reply that was sent to the channel too answers what began its thread
                shared = thread_of(row) is not None
                one = self.one(channel, ts) if shared else None
                records.append(one or self._record(row, channel, identity, None))
            if reached != (known[2] if known else ""):
                records += self._thread(identity, channel, row, seen)
            seen.messages[ts] = (stamp, "", reached)
        return sorted(records, key=lambda record: (record.version or "", record.id))

    def _thread(self, identity: Identity, channel: str, parent: Row, seen: Seen) -> list[Record]:
        thread = ts_of(parent)
        records, present = [], set()
        for page in self._replies(channel, thread):
            for row in page:
                ts = ts_of(row)
                present.add(ts)
                if thread_of(row) is None or row.get("subtype") not in WRITTEN:
                    continue
                stamp = stamp_of(row)
                if stamp != seen.messages.get(ts, ("",))[0]:
                    records.append(self._record(row, channel, identity, parent))
                seen.messages[ts] = (stamp, thread, "")
        for ts in [ts for ts, what in seen.messages.items() if what[1] == thread]:
            if ts not in present:
                del seen.messages[ts]
                records.append(gone_record(channel, ts))
        return records

    def _replies(
        self, channel: str, thread: str, oldest: str | None = None
    ) -> Iterator[Sequence[Row]]:
        """A thread, oldest first; the message that began it leads every page."""
        for page in self._client.pages(
            "conversations.replies",
            "messages",
            channel=channel,
            ts=thread,
            oldest=oldest,
            limit=self._settings.page_size,
            include_all_metadata=True,
        ):
            yield page.rows

    def _record(self, row: Row, channel: str, identity: Identity, parent: Row | None) -> Record:
        own = is_ours(row, identity)
        answers = thread_of(row) is not None or channel.startswith("D")
        author = None
        if answers and not own and "bot_id" not in row and isinstance(row.get("user"), str):
            author = self._people.one(row["user"])
        if parent is not None and not is_ours(parent, identity):
            parent = None  # a key in somebody else's metadata says nothing
        return message_record(row, channel, own=own, parent=parent, author=author, url=identity.url)

    def row(self, channel: str, ts: str) -> Row | None:
        """A message as Slack holds it now, reply or not; None where it is gone."""
        try:
            answer = self._client.get(
                "conversations.replies",
                channel=channel,
                ts=ts,
                oldest=ts,
                latest=ts,
                inclusive=True,
                limit=self._settings.page_size,
                include_all_metadata=True,
            )
        except NotFoundError:
            return None
        rows = answer.get("messages")
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, dict) and row.get("ts") == ts and not is_gone(row):
                return row
        return None

    def one(self, channel: str, ts: str) -> Record:
        """A message now, with the message of ours that it answers."""
        row = self.row(channel, ts)
        if row is None:
            return gone_record(channel, ts)
        thread = thread_of(row)
        parent = self.row(channel, thread) if thread else None
        return self._record(row, channel, self._client.identity(), parent)

    def fetch(self, ids: Sequence[str]) -> list[Record]:
        """Many of one channel are looked for in its list first: one request for a page of them."""
        places = [place_of(id) for id in ids]
        found: dict[tuple[str, str], Record] = {}
        identity = self._client.identity()
        for channel in {channel for channel, _ in places}:
            stamps = sorted({ts for one, ts in places if one == channel})
            if len(stamps) < FEW:
                continue
            pages = self._history(channel, oldest=stamps[0], latest=stamps[-1])
            for rows in islice(pages, len(stamps) // FEW):
                for row in rows:
                    known = row.get("subtype") in WRITTEN and thread_of(row) is None
                    if known and ts_of(row) in stamps:
                        found[channel, ts_of(row)] = self._record(row, channel, identity, None)
        return [found.get(place) or self.one(*place) for place in places]

    def find(
        self, places: Sequence[tuple[str, str | None] | None], changes: Sequence[Change]
    ) -> list[Record | None]:
        """The messages that carry the changes' keys. `places` says for each where it would be:
        channel and thread, None where there is no such place.
        """
        identity = self._client.identity()
        groups: dict[tuple[str, str | None], list[Change]] = {}
        for place, change in zip(places, changes, strict=True):
            if place is not None:
                groups.setdefault(place, []).append(change)
        found: dict[str, Record] = {}
        for (channel, thread), group in groups.items():
            wanted = {change.key for change in group}
            moments = [change.created_at for change in group if change.created_at is not None]
            oldest = "0"
            if len(moments) == len(group):
                oldest = f"{(min(moments) - OVERLAP).timestamp():.6f}"
            try:
                pages = (
                    self._replies(channel, thread, oldest)
                    if thread
                    else self._history(channel, oldest=oldest)
                )
                for row in (row for page in pages for row in page):
                    key = key_of(row) if is_ours(row, identity) else None
                    if key in wanted and key not in found:
                        found[key] = self._record(row, channel, identity, None)
                    if wanted <= found.keys():
                        break
            except (NotFoundError, PlaceError):
                continue  # the place itself is gone, and with it whatever we may have put there
        return [found.get(change.key) for change in changes]


def is_ours(row: Row, identity: Identity) -> bool:
    """Whether this app wrote a message: by the bot or the app, never by what it says."""
    bot, app = row.get("bot_id"), row.get("app_id")
    if bot is not None and bot == identity.bot:
        return True
    if app is not None and app == identity.app:
        return True
    return row.get("user") == identity.user

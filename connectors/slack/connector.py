"""Slack as a connector: a push of `message` writes to a person or a channel, what people answer
comes back as replies and as buttons pressed, and `user` is who they are.

Slack has no idempotency key. Ours travels in the message's metadata, which nobody is shown, and is
looked for before a message is ever sent again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from pydantic import SecretStr

from connectors.sdk import (
    AuthError,
    Bearer,
    Change,
    ConfigError,
    Connector,
    Delivery,
    Field,
    NotFoundError,
    NotSentError,
    OAuth2,
    ObjectSpec,
    Outcome,
    Page,
    Parsed,
    PayloadError,
    RateLimitError,
    Receiver,
    Record,
    RefreshToken,
    RejectedError,
    Reply,
    Result,
    Sink,
    Source,
    Tier,
    TransientError,
    UnsupportedError,
)
from connectors.sdk.pushing import push_each
from connectors.sdk.records import Cursor, Json
from connectors.slack import events
from connectors.slack.blocks import PERSON, draft, revised
from connectors.slack.client import RATES, SlackClient, bucket_of
from connectors.slack.config import SlackConfig
from connectors.slack.people import People
from connectors.slack.reading import Reader, is_ours
from connectors.slack.records import (
    MESSAGE,
    MESSAGE_FIELDS,
    USER,
    USER_FIELDS,
    gone_record,
    message_record,
    metadata,
    place_of,
    ts_of,
)

_T = TypeVar("_T")

NEEDED = (
    *("chat:write", "im:write", "im:history", "im:read", "channels:history", "channels:read"),
    *("users:read", "users:read.email"),
)
"""Scopes without which something that is declared here fails. Private channels (`groups:…`) and
group messages (`mpim:…`) are read where their scopes are given.
"""


class SlackConnector(Connector, Source, Sink, Receiver):
    """One app in one workspace."""

    name: ClassVar[str] = "slack"
    proofs: ClassVar[Sequence[str]] = ("secret",)
    title: ClassVar[str] = "Slack"
    config = SlackConfig
    sandbox: ClassVar[str] = "connectors.slack.sandbox:SlackSandbox"
    tier = Tier.GOLD
    rates = RATES
    names_people_by_email = True
    reaches_people_by = "account"
    takes_buttons = True
    objects: ClassVar[Mapping[str, ObjectSpec]] = {
        MESSAGE: ObjectSpec(
            title="Message",
            pull=True,
            fetch=True,
            push=frozenset({"create", "update", "delete"}),
            webhook=True,
            find=True,
            # a channel is listed from where its messages are kept, not from the search index, and
            # is asked about after the request for the message has ended
            conclusive=True,
            deletes="reported",
        ),
        USER: ObjectSpec(title="User", pull=True, fetch=True, webhook=True, deletes="reported"),
    }
    handshake_before_verify: ClassVar[bool] = True
    stored_headers = ("x-slack-retry-num", "x-slack-retry-reason")
    settings: SlackConfig

    def setup(self) -> None:
        auth, base = self.settings.auth, self.settings.base_url or "https://slack.com/api"
        bearer: Bearer | OAuth2
        if auth.client_id and auth.refresh_token:
            bearer = self.oauth2(
                f"{base.rstrip('/')}/oauth.v2.access",
                auth.client_id,
                RefreshToken(auth.refresh_token),
                client_secret=auth.client_secret,
                client_auth="client_secret_post",
            )
        else:
            bearer = Bearer(auth.token or SecretStr(""))
        self._client = SlackClient(
            self.http(base, auth=bearer, bucket=bucket_of),
            bearer if isinstance(bearer, OAuth2) else None,
        )
        self._people = People(self._client)
        self._reader = Reader(self._client, self.settings, self._people)
        self._rooms: dict[tuple[str, ...], str] = {}
        self._lock = threading.Lock()

    # ------------------------------------------------------------------------------------------
    # reading

    def check(self) -> None:
        """The token is good, has the scopes, and the configured channels are there."""
        identity = self._client.identity(fresh=True)
        missing = [scope for scope in NEEDED if identity.scopes and scope not in identity.scopes]
        if missing:
            raise AuthError(
                f"Slack: the app lacks {', '.join(missing)}. Add these scopes under OAuth & "
                "Permissions, and install the app again."
            )
        for channel in dict.fromkeys([*self.settings.channels, self.settings.channel or ""]):
            if not channel:
                continue
            try:
                self._client.get("conversations.history", channel=channel, limit=1)
            except (RejectedError, NotFoundError) as error:
                raise ConfigError(f"The channel {channel} cannot be used. {error}") from None

    def discover(self, object: str) -> Sequence[Field]:
        """The same in every workspace."""
        self.spec(object)
        return MESSAGE_FIELDS if object == MESSAGE else USER_FIELDS

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        self.spec(object)
        return self._reader.pull(cursor) if object == MESSAGE else self._people.pull(cursor)

    def fetch(self, object: str, ids: Sequence[str]) -> Sequence[Record]:
        self.spec(object)
        return self._reader.fetch(ids) if object == MESSAGE else self._people.fetch(ids)

    def find(self, object: str, changes: Sequence[Change]) -> Sequence[Record | None]:
        """Reads the channel or thread since the create, never the search, and makes nothing: where
        there is no direct message yet, there is nothing in it.
        """
        if object != MESSAGE:
            raise UnsupportedError(f"Slack: a {object} is never created here.")
        return self._reader.find([self._place(change) for change in changes], changes)

    def _place(self, change: Change) -> tuple[str, str | None] | None:
        """Channel and thread of a create; None where nothing can have been written."""
        try:
            wanted = draft(change.fields, self.settings.channel)
        except RejectedError:
            return None  # it was refused here, before anything was sent
        try:
            channel = wanted.channel or self._room(wanted.people, make=False)
        except NotFoundError:
            return None
        return (channel, wanted.thread) if channel else None

    # ------------------------------------------------------------------------------------------
    # writing

    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        """One after the other: Slack takes one at a time."""
        return push_each(changes, self._push_one)

    def _push_one(self, change: Change) -> Result:
        if change.op not in self.spec(change.object).push:
            raise UnsupportedError(f"Slack cannot {change.op} a {change.object}.")
        if change.op == "create":
            return self._create(change)
        return self._update(change) if change.op == "update" else self._delete(change)

    def _create(self, change: Change) -> Result:
        wanted = draft(change.fields, self.settings.channel)
        # all that has to be asked is asked before: a failure after the write must never look as if
        # nothing had been written
        url = self._before(lambda: self._client.identity().url)
        channel = wanted.channel or self._open(wanted.people)
        body: dict[str, Json] = {
            "channel": channel,
            "text": wanted.text,
            "blocks": wanted.blocks,
            "metadata": metadata(change.key),
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if wanted.thread:
            body["thread_ts"] = wanted.thread
        answer = self._client.post("chat.postMessage", body, share=channel)
        # without a message in it, the answer proves nothing: PayloadError, and it is looked up
        row = {**_message(answer), "ts": ts_of(answer), "metadata": metadata(change.key)}
        return Result(Outcome.OK, message_record(row, channel, own=True, url=url))

    def _update(self, change: Change) -> Result:
        channel, ts = place_of(change.id or "")
        identity = self._client.identity()
        row = self._reader.row(channel, ts)
        if row is None:
            raise NotFoundError("Slack no longer has this message.")
        if not is_ours(row, identity):
            why = "only messages that this app wrote can be changed"
            raise RejectedError(f"Slack: {why}.", {"*": why})
        text, blocks = revised(change.fields, row)
        if text != row.get("text") or blocks != row.get("blocks"):
            kept = {name: row[name] for name in ("metadata", "thread_ts") if name in row}
            body = {"channel": channel, "ts": ts, "text": text, "blocks": blocks}
            if "metadata" in kept:
                body["metadata"] = kept["metadata"]
            row = {**_message(self._client.post("chat.update", body)), "ts": ts, **kept}
        return Result(Outcome.OK, message_record(row, channel, own=True, url=identity.url))

    def _delete(self, change: Change) -> Result:
        channel, ts = place_of(change.id or "")
        try:
            self._client.post("chat.delete", {"channel": channel, "ts": ts})
        except NotFoundError:
            return Result(Outcome.OK, gone_record(channel, ts), "It was gone already.")
        return Result(Outcome.OK, gone_record(channel, ts))

    # where a message goes -----------------------------------------------------------------------

    def _open(self, people: Sequence[str]) -> str:
        """The direct message with these people."""
        try:
            room = self._before(lambda: self._room(people, make=True))
        except NotFoundError:
            why = "nobody in this workspace has this address, or the account is deactivated"
            raise RejectedError(
                f"Slack cannot reach {', '.join(people)}: {why}.", {"to": why}
            ) from None
        if room is None:
            raise NotSentError("Slack opened no direct message.")
        return room

    def _before(self, ask: Callable[[], _T]) -> _T:
        """Ask something before a write. Whatever goes wrong, nothing was written yet."""
        try:
            return ask()
        except RateLimitError:
            raise
        except TransientError as error:
            raise NotSentError(str(error), error.retry_after) from None
        except PayloadError as error:
            raise NotSentError(str(error)) from None

    def _room(self, people: Sequence[str], *, make: bool) -> str | None:
        """The ID of a direct message, remembered; None if there is none and none is made."""
        place = tuple(sorted(people))
        with self._lock:
            if place in self._rooms:
                return self._rooms[place]
        ids = [one if PERSON.fullmatch(one) else self._user(one) for one in people]
        asked: dict[str, Json] = {"users": ",".join(ids)}
        if not make:
            asked["prevent_creation"] = True
        answer = self._client.post("conversations.open", asked).get("channel")
        room = answer.get("id") if isinstance(answer, dict) else None
        if not isinstance(room, str) or not room:
            return None
        with self._lock:
            self._rooms[place] = room
        return room

    def _user(self, email: str) -> str:
        found = self._client.get("users.lookupByEmail", email=email).get("user")
        id = found.get("id") if isinstance(found, dict) else None
        if not isinstance(id, str) or not id:
            raise PayloadError("Slack's users.lookupByEmail names no user.", "user.id")
        return id

    # ------------------------------------------------------------------------------------------
    # webhooks

    def verify(self, delivery: Delivery) -> str | None:
        return events.verify(delivery, self.settings.webhook)

    def sign(self, delivery: Delivery, *, id: str = "") -> Delivery:
        return events.sign(delivery, self.settings.webhook)

    def handshake(self, delivery: Delivery) -> Reply | None:
        return events.handshake(delivery, self.settings.webhook)

    def acknowledge(self, delivery: Delivery) -> Reply | None:
        return events.acknowledge()

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        return events.parse(delivery)


def _message(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    row = answer.get("message")
    if not isinstance(row, dict):
        raise PayloadError("Slack's answer holds no message.", "message")
    return row

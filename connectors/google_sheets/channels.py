"""Drive's notification channels: they say that the file changed, never what, and end within a day.

https://developers.google.com/workspace/drive/api/guides/push
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from connectors.sdk import (
    Delivery,
    HttpClient,
    HttpResponse,
    NotFoundError,
    PayloadError,
    RejectedError,
    SignatureError,
    Subscription,
)
from connectors.sdk.json_bodies import decode_json
from connectors.sdk.senders import sign_token, stamped, with_default
from connectors.sdk.signatures import check_token

TOKEN = "x-goog-channel-token"  # noqa: S105 - the name of a header
STATE = "x-goog-resource-state"
HEADERS = (
    TOKEN,
    STATE,
    "x-goog-changed",
    "x-goog-channel-id",
    "x-goog-channel-expiration",
    "x-goog-message-number",
    "x-goog-resource-id",
    "x-goog-resource-uri",
)
LIFETIME = timedelta(days=1)
"""The longest life of a channel on a file; Drive cuts down what is longer."""
SEPARATOR = "|"
HIDDEN = "***"
"""What stands in an id for the token at the end of an address: ids are stored and shown."""


class Channels:
    """The channels of one spreadsheet. `given` are the tokens that the configuration knows."""

    def __init__(
        self,
        drive: HttpClient,
        spreadsheet: str,
        given: list[SecretStr],
        suffix: SecretStr | None = None,
    ) -> None:
        """`suffix` is the secret that our address ends with, if it does."""
        self._drive = drive
        self._file = spreadsheet
        self._given = [one for one in given if one.get_secret_value()]
        self._suffix = suffix.get_secret_value() if suffix else ""

    def open(self, url: str) -> Subscription:
        """A channel to `url`. The id is made of the address, so that a second call meets the first:
        Drive lists no channels, but refuses an id that is in use.
        """
        token = self._token(None)
        usual = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self._file} {url}"))
        try:
            return self._watch(usual, url, token)
        except RejectedError as error:
            if "id" not in error.field_errors:
                raise
        # when it ends cannot be asked, so another takes its place
        made = self._watch(str(uuid.uuid4()), url, token)
        self._stop(usual, made.id.split(SEPARATOR)[1])
        return made

    def replace(self, old: Subscription) -> Subscription:
        """A new channel in place of one that cannot be prolonged; both speak for a moment."""
        _, _, url = _parts(old.id)
        if url.endswith(HIDDEN):
            url = url.removesuffix(HIDDEN) + self._suffix
        made = self._watch(str(uuid.uuid4()), url, self._token(old.secret))
        self.close(old)
        return made

    def close(self, subscription: Subscription) -> None:
        channel, resource, _ = _parts(subscription.id)
        self._stop(channel, resource)

    def _token(self, former: str | None) -> str:
        """The one that deliveries will show: what is configured, or what they showed so far."""
        given = self._given[0].get_secret_value() if self._given else None
        return given or former or secrets.token_urlsafe(32)

    def _watch(self, channel: str, url: str, token: str) -> Subscription:
        until = datetime.now(UTC) + LIFETIME
        answer = self._drive.request(
            "POST",
            f"/drive/v3/files/{self._file}/watch",
            params={"supportsAllDrives": "true"},
            json={
                "id": channel,
                "type": "web_hook",
                "address": url,
                "token": token,
                "expiration": str(int(until.timestamp() * 1000)),
            },
        ).json()
        if not isinstance(answer, dict) or not isinstance(answer.get("resourceId"), str):
            raise PayloadError("Google Drive does not name the channel it opened.", "resourceId")
        told = str(answer.get("expiration", ""))
        short = told.isascii() and told.isdigit() and len(told) < 16
        ends = datetime.fromtimestamp(int(told) / 1000, UTC) if short else until
        secret = None if self._given else token
        hidden = bool(self._suffix) and url.endswith(self._suffix)
        shown = url.removesuffix(self._suffix) + HIDDEN if hidden else url
        return Subscription(SEPARATOR.join((channel, answer["resourceId"], shown)), ends, secret)

    def _stop(self, channel: str, resource: str) -> None:
        try:
            self._drive.request(
                "POST", "/drive/v3/channels/stop", json={"id": channel, "resourceId": resource}
            )
        except NotFoundError:
            return  # it has ended already

    def verify(self, delivery: Delivery) -> str | None:
        """Channel and message number of a genuine delivery. Raises SignatureError."""
        told = delivery.headers.get(TOKEN, "")
        for token in self._given:
            try:
                check_token(told, token)
            except SignatureError:
                continue
            break
        else:
            raise SignatureError("The token of the channel is missing or another.")
        channel = delivery.headers.get("x-goog-channel-id", "")
        number = delivery.headers.get("x-goog-message-number", "")
        return f"{channel}:{number}" if channel and number else None

    def sign(self, delivery: Delivery, id: str) -> Delivery:
        """A notification that the content changed; Drive sends no body."""
        channel, _, number = id.partition(":")
        for name, value in {
            STATE: "update",
            "x-goog-changed": "content",
            "x-goog-channel-id": channel or str(uuid.uuid4()),
            "x-goog-message-number": number or stamped(delivery.received_at, "milliseconds"),
        }.items():
            delivery = with_default(delivery, name, value)
        return sign_token(delivery, self._given, header=TOKEN)


def speaks_of_rows(delivery: Delivery) -> bool:
    """Whether a delivery may mean that rows changed. Raises PayloadError for no notification.

    Sharing or moving the file says so in X-Goog-Changed; that it is gone shows when it is read.
    """
    state = delivery.headers.get(STATE, "")
    if not state:
        raise PayloadError("The delivery is no notification of Google Drive.", STATE)
    changed = {part.strip() for part in delivery.headers.get("x-goog-changed", "").split(",")}
    return state != "sync" and (changed == {""} or bool(changed & {"content", "properties"}))


def taken(answer: HttpResponse) -> RejectedError | None:
    """The refusal of a channel id that is in use, or of an address that Drive cannot call."""
    if answer.status != 400 or not answer.path.endswith("/watch"):
        return None
    try:
        body = decode_json(answer.body, answer.path)
    except PayloadError:
        return None
    error: Any = body.get("error") if isinstance(body, Mapping) else None
    entries = error.get("errors") if isinstance(error, Mapping) else None
    reasons = [one.get("reason") for one in entries or [] if isinstance(one, Mapping)]
    if "channelIdNotUnique" in reasons:
        return RejectedError("Google Drive has a channel of this id.", {"id": "channelIdNotUnique"})
    if "push.webhookUrlNotHttps" in reasons or "push.webhookUrlUnauthorized" in reasons:
        return RejectedError(
            "Google Drive sends only to https addresses with a valid certificate: set the hub's "
            "public address.",
            {"address": str(reasons[0])},
        )
    return None


def _parts(id: str) -> tuple[str, str, str]:
    channel, _, rest = id.partition(SEPARATOR)
    resource, _, url = rest.partition(SEPARATOR)
    if not url:
        raise NotFoundError("The subscription names no channel of Google Drive.")
    return channel, resource, url

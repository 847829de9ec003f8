"""Webhooks by API: an OAuth app registers dynamic ones that end after 30 days; with an API token an
administrator's lasting one is made.

https://developer.atlassian.com/cloud/jira/platform/webhooks/
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from connectors.jira import events, jql
from connectors.jira.client import JiraClient, Row, rows
from connectors.jira.config import JiraConfig
from connectors.jira.records import moment
from connectors.sdk import AuthError, ConfigError, NotFoundError, PayloadError, Subscription
from connectors.sdk.paging import Listed, follow

ADMIN = "/rest/webhooks/1.0"
NAME = "Process Hub"
_SECTION = "issue-related-events-section"


class AppHooks:
    """An app has a single address, and five webhooks per person and site."""

    def __init__(self, client: JiraClient, settings: JiraConfig) -> None:
        self._client = client
        self._question = jql.in_projects(settings.projects)

    def subscribe(self, url: str) -> Subscription:
        for row in list(self._all()):
            alike = sorted(row.get("events") or []) == sorted(events.DYNAMIC)
            if row.get("jqlFilter") != self._question or not alike:
                continue
            if row.get("url") == url:
                return self._refresh(str(row.get("id")))
            # not every site says where its webhooks lead: one to another address would be silence
            self.unsubscribe(Subscription(str(row.get("id"))))
        hook = {"events": [*events.DYNAMIC], "jqlFilter": self._question}
        body = self._client.send("POST", "/webhook", json={"url": url, "webhooks": [hook]})
        [result, *_] = rows(body, "webhookRegistrationResult", "/webhook") or [{}]
        if "createdWebhookId" not in result:
            told = "; ".join(str(error)[:300] for error in result.get("errors") or [])
            raise ConfigError(f"Jira did not register the webhook: {told or 'no reason given'}.")
        return self._refresh(str(result["createdWebhookId"]))

    def renew(self, subscription: Subscription) -> Subscription:
        """For another 30 days."""
        if subscription.id not in self._ids():
            raise NotFoundError("Jira no longer has the webhook: it is registered anew.")
        return self._refresh(subscription.id)

    def unsubscribe(self, subscription: Subscription) -> None:
        if subscription.id in self._ids():
            self._client.send("DELETE", "/webhook", json={"webhookIds": [int(subscription.id)]})

    def _refresh(self, id: str) -> Subscription:
        body = self._client.send("PUT", "/webhook/refresh", json={"webhookIds": [int(id)]})
        if not isinstance(body, dict):
            raise PayloadError("Jira does not say how long the webhook lasts.", "/webhook/refresh")
        return Subscription(id, _expiry(body.get("expirationDate")))

    def _ids(self) -> set[str]:
        return {str(row.get("id")) for row in self._all()}

    def _all(self) -> Iterator[Row]:
        def ask(next: Any) -> Listed:
            body = self._client.get("/webhook", {"startAt": next or 0, "maxResults": 100})
            found = rows(body, "values", "/webhook")
            ended = not found or body.get("isLast") is not False
            return Listed(found, None if ended else (next or 0) + len(found))

        for page in follow(ask, "Jira's list of webhooks"):
            yield from page.rows


class AdminHooks:
    """For a user who administers Jira. The secret is the connection's own."""

    def __init__(self, client: JiraClient, settings: JiraConfig) -> None:
        self._client = client
        self._settings = settings
        self._question = jql.in_projects(settings.projects)

    def subscribe(self, url: str) -> Subscription:
        secrets = [one.get_secret_value() for one in self._settings.webhook.secret]
        if not any(secrets):
            raise ConfigError(
                "Give the connection a secret under `webhook.secret`: Jira signs with it."
            )
        hook = {
            "name": NAME,
            "url": url,
            "events": [*events.DYNAMIC],
            "filters": {_SECTION: self._question},
            "excludeBody": False,
            # the first of several is the one to come: a repeated call moves Jira over to it
            "secret": next(filter(None, secrets)),
        }
        for row in self._all():
            if row.get("url") == url:
                self._send("PUT", f"/webhook/{_id(row)}", hook)
                return Subscription(_id(row))
        return Subscription(_id(self._send("POST", "/webhook", hook)))

    def renew(self, subscription: Subscription) -> Subscription:
        """It lasts; only somebody's hand ends it. Raises NotFoundError."""
        self._send("GET", f"/webhook/{subscription.id}")
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        try:
            self._send("DELETE", f"/webhook/{subscription.id}")
        except NotFoundError:
            return

    def _all(self) -> list[Row]:
        return rows({"all": self._send("GET", "/webhook")}, "all", f"{ADMIN}/webhook")

    def _send(self, method: str, path: str, json: Any = None) -> Any:
        try:
            return self._client.send(method, path, json=json, api=ADMIN)
        except AuthError as error:
            if "permission" not in str(error):
                raise
            raise ConfigError(
                "Only a user who administers Jira may make webhooks: let such a one make it under "
                "System, WebHooks, with the secret of `webhook.secret`."
            ) from None


def _id(row: Any) -> str:
    """The last part of its own address. Raises PayloadError."""
    id = str(row.get("self", "") if isinstance(row, dict) else "").rpartition("/")[2]
    if not id.isdigit():
        raise PayloadError("Jira gave a webhook without an address of its own.", "self")
    return id


def _expiry(value: Any) -> datetime | None:
    """A time as text, or milliseconds."""
    if isinstance(value, int):
        return datetime.fromtimestamp(value / 1000, UTC)
    return moment(value, "expirationDate") if value else None

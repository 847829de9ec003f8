"""Jira Cloud as a connector: issues and comments both ways, people inward.

What makes Jira different: its search lags and knows minutes in the user's own time zone, a status
changes only through a workflow's transitions, texts are documents, and keys change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import httpx
from pydantic import SecretStr

from connectors.jira import events, jql
from connectors.jira.client import JiraClient, bucket, explained, rows
from connectors.jira.config import JiraConfig
from connectors.jira.fields import COMMENT_FIELDS, USER_FIELDS, issue_fields
from connectors.jira.reading import Reader
from connectors.jira.records import moment
from connectors.jira.writing import Writer
from connectors.sdk import (
    AuthorizationCode,
    Basic,
    Change,
    ConfigError,
    ConnectionConfig,
    Connector,
    Delivery,
    Field,
    NotFoundError,
    ObjectSpec,
    Page,
    Parsed,
    PayloadError,
    Receiver,
    Record,
    Result,
    Sink,
    Source,
    Subscriber,
    Subscription,
    Tier,
    UnsupportedError,
)
from connectors.sdk.paging import Listed, follow
from connectors.sdk.pushing import push_each
from connectors.sdk.records import Cursor


class JiraConnector(Connector, Source, Sink, Receiver, Subscriber):
    name: ClassVar[str] = "jira"
    title: ClassVar[str] = "Jira"
    config: ClassVar[type[ConnectionConfig]] = JiraConfig
    sandbox: ClassVar[str] = "connectors.jira.sandbox:JiraSandbox"
    tier: ClassVar[Tier] = Tier.GOLD
    # below what Atlassian allows per second, tenant, endpoint and method; the hourly quota of OAuth
    # apps and the limit per issue are told by 429
    rates: ClassVar[Mapping[str, str]] = {"read": "50/second", "write": "25/second"}
    objects: ClassVar[Mapping[str, ObjectSpec]] = {
        "issue": ObjectSpec(
            title="Issue",
            pull=True,
            fetch=True,
            push=frozenset({"create", "update", "delete"}),
            webhook=True,
            find=True,
            conclusive=False,  # it is looked for by the search, which lags
            deletes="reported",
            batch=10,
        ),
        "comment": ObjectSpec(
            title="Comment",
            pull=True,
            fetch=True,
            push=frozenset({"create", "update", "delete"}),
            webhook=True,
            find=True,
            conclusive=False,  # nobody says how long a create may still be on its way
            deletes="reported",
            batch=10,
            parent="issue",
        ),
        "user": ObjectSpec(title="Person", pull=True, fetch=True),
    }

    settings: JiraConfig

    def setup(self) -> None:
        auth = self.settings.auth
        signed: httpx.Auth
        if auth.oauth:
            signed = self.oauth2(
                f"{self.settings.auth_url}/oauth/token",
                str(auth.client_id),
                AuthorizationCode(
                    f"{self.settings.auth_url}/authorize",
                    scope=auth.scopes,
                    extra={"audience": "api.atlassian.com", "prompt": "consent"},
                ),
                client_secret=auth.client_secret,
                client_auth="client_secret_post",
            )
        else:
            signed = Basic(auth.email or "", auth.api_token or SecretStr(""))
        gateway = auth.oauth or auth.cloud_id is not None
        http = self.http(
            self.settings.api_url if gateway else self.settings.base_url,
            auth=signed,
            headers={"accept": "application/json"},
            explain=explained(self.settings),
            bucket=bucket,
        )
        self._client = JiraClient(http, self.settings)
        self._reader = Reader(self._client, self.settings)
        self._writer = Writer(self._client, self._reader, self.settings)

    # ------------------------------------------------------------------------------------- reading

    def check(self) -> None:
        self._reader.me()
        missing = []
        for project in self.settings.projects:
            try:
                self._client.get(f"/project/{project}")
            except NotFoundError:
                missing.append(project)
        if missing:
            raise ConfigError(
                f"Jira does not show us {', '.join(missing)}: correct the key under `projects`, or "
                "let the connection's user browse the project."
            )

    def discover(self, object: str) -> Sequence[Field]:
        self.spec(object)
        if object == "issue":
            return issue_fields(self._client, self.settings)
        return COMMENT_FIELDS if object == "comment" else USER_FIELDS

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        self.spec(object)
        if object == "issue":
            return self._reader.pull_issues(cursor, fields)
        if object == "comment":
            return self._reader.pull_comments(cursor)
        return self._reader.pull_people(cursor)

    def fetch(self, object: str, ids: Sequence[str]) -> Sequence[Record]:
        self.spec(object)
        return self._reader.fetch(object, ids)

    def find(self, object: str, changes: Sequence[Change]) -> Sequence[Record | None]:
        if not self.spec(object).find:
            raise UnsupportedError(f"Jira cannot look for a {object} by key.")
        if not changes:
            return []
        if object == "comment":
            return self._reader.find_comments(changes)
        projects = {self._writer.project(change) for change in changes}
        return self._reader.find_issues(changes, sorted(projects | {*self.settings.projects}))

    # ------------------------------------------------------------------------------------- writing

    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        """One by one: every write looks first, and most need a transition of their own."""
        for change in changes:
            if change.op not in self.spec(change.object).push:
                raise UnsupportedError(f"Jira cannot {change.op} a {change.object}.")
        return push_each(changes, self._writer.push_one)

    # ------------------------------------------------------------------------------------ webhooks

    def verify(self, delivery: Delivery) -> str | None:
        return events.verify(delivery, self.settings)

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        return events.parse(delivery)

    def subscribe(self, url: str) -> Subscription:
        """A dynamic webhook for our projects; one that is there already is taken over.

        An app has a single address, and five webhooks per person and site.
        """
        self._needs_app()
        question = jql.in_projects(self.settings.projects)
        for row in self._hooks():
            same_events = sorted(row.get("events") or []) == sorted(events.DYNAMIC)
            if row.get("jqlFilter") == question and same_events and row.get("url", url) == url:
                return self.renew(Subscription(str(row.get("id"))))
        asked = {"url": url, "webhooks": [{"events": [*events.DYNAMIC], "jqlFilter": question}]}
        body = self._client.send("POST", "/webhook", json=asked)
        [result, *_] = rows(body, "webhookRegistrationResult", "/webhook") or [{}]
        if "createdWebhookId" not in result:
            told = "; ".join(str(error)[:300] for error in result.get("errors") or [])
            raise ConfigError(f"Jira did not register the webhook: {told or 'no reason given'}.")
        return self.renew(Subscription(str(result["createdWebhookId"])))

    def renew(self, subscription: Subscription) -> Subscription:
        """For another 30 days."""
        self._needs_app()
        known = {str(row.get("id")) for row in self._hooks()}
        if subscription.id not in known:
            raise NotFoundError("Jira no longer has the webhook: it is registered anew.")
        asked = {"webhookIds": [int(subscription.id)]}
        body = self._client.send("PUT", "/webhook/refresh", json=asked)
        if not isinstance(body, dict):
            raise PayloadError("Jira does not say how long the webhook lasts.", "/webhook/refresh")
        return Subscription(subscription.id, _expiry(body.get("expirationDate")))

    def unsubscribe(self, subscription: Subscription) -> None:
        self._needs_app()
        if subscription.id in {str(row.get("id")) for row in self._hooks()}:
            self._client.send("DELETE", "/webhook", json={"webhookIds": [int(subscription.id)]})

    def _needs_app(self) -> None:
        if not self.settings.auth.oauth:
            raise UnsupportedError(
                "Jira registers webhooks by API for OAuth apps only: with an API token an "
                "administrator makes the webhook, with a secret, under System, WebHooks."
            )

    def _hooks(self) -> Iterator[Mapping[str, Any]]:
        def ask(next: Any) -> Listed:
            body = self._client.get("/webhook", {"startAt": next or 0, "maxResults": 100})
            found = rows(body, "values", "/webhook")
            ended = not found or body.get("isLast") is not False
            return Listed(found, None if ended else (next or 0) + len(found))

        for page in follow(ask, "Jira's list of webhooks"):
            yield from page.rows


def _expiry(value: Any) -> datetime | None:
    """A time as text, or milliseconds."""
    if isinstance(value, int):
        return datetime.fromtimestamp(value / 1000).astimezone()
    return moment(value, "expirationDate") if value else None

"""Jira Cloud as a connector: issues and comments both ways, people inward.

What makes Jira different: its search lags and knows minutes in the user's own time zone, a status
changes only through a workflow's transitions, texts are documents, and keys change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import ClassVar

import httpx
from pydantic import SecretStr

from connectors.jira import events
from connectors.jira.client import JiraClient, bucket, explained
from connectors.jira.config import JiraConfig
from connectors.jira.fields import COMMENT_FIELDS, USER_FIELDS, issue_fields
from connectors.jira.hooks import AdminHooks, AppHooks
from connectors.jira.reading import Reader
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
from connectors.sdk.pushing import push_each
from connectors.sdk.records import Cursor, Json


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
            batch=50,
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
        hooks = AppHooks if auth.oauth else AdminHooks
        self._hooks: AppHooks | AdminHooks = hooks(self._client, self.settings)

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
        """New issues together, everything else one by one: it looks first, and a status needs a
        transition of its own.
        """
        for change in changes:
            if change.op not in self.spec(change.object).push:
                raise UnsupportedError(f"Jira cannot {change.op} a {change.object}.")
        new = [one for one in changes if (one.object, one.op) == ("issue", "create")]
        if len(new) < 2:
            return push_each(changes, self._writer.push_one)
        made = dict(zip(map(id, new), self._writer.create_issues(new), strict=True))

        def push_one(change: Change) -> Result:
            return made.get(id(change)) or self._writer.push_one(change)

        # the new ones first, so that what they became is told whatever happens to the others
        order = [*new, *(one for one in changes if id(one) not in made)]
        results = dict(zip(map(id, order), push_each(order, push_one), strict=True))
        return [results[id(change)] for change in changes]

    # ------------------------------------------------------------------------------------ webhooks

    def verify(self, delivery: Delivery) -> str | None:
        return events.verify(delivery, self.settings)

    @classmethod
    def proved_by(cls, settings: Mapping[str, Json]) -> Sequence[str]:
        """Of an OAuth app the client secret, which is there already."""
        auth = settings.get("auth")
        return () if isinstance(auth, Mapping) and auth.get("client_secret") else ("secret",)

    def sign(self, delivery: Delivery, *, id: str = "") -> Delivery:
        return events.sign(delivery, self.settings, id)

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        return events.parse(delivery)

    def subscribe(self, url: str) -> Subscription:
        return self._hooks.subscribe(url)

    def renew(self, subscription: Subscription) -> Subscription:
        return self._hooks.renew(subscription)

    def unsubscribe(self, subscription: Subscription) -> None:
        self._hooks.unsubscribe(subscription)

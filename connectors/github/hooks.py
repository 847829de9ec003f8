"""Registering the hub's address as a webhook of every repository.

https://docs.github.com/en/rest/repos/webhooks
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from connectors.github.client import GithubClient, one
from connectors.sdk import AuthError, NotFoundError, Subscription

EVENTS = ["issues", "issue_comment"]


def subscribe(
    client: GithubClient, repositories: Sequence[str], url: str, secret: str
) -> Subscription:
    """One webhook per repository. One that posts to `url` already is taken over: GitHub never
    shows its secret again, so it gets this one.
    """
    ids = []
    for repository in repositories:
        path = f"/repos/{repository}/hooks"
        body: dict[str, Any] = {
            "active": True,
            "events": EVENTS,
            "config": {"url": url, "content_type": "json", "secret": secret, "insecure_ssl": "0"},
        }
        try:
            known = [
                row["id"]
                for page in client.pages(path, {})
                for row in page
                if (row.get("config") or {}).get("url") == url
            ]
            if known:
                id = client.write("PATCH", f"{path}/{known[0]}", body)["id"]
                for double in known[1:]:
                    client.delete(f"{path}/{double}")
            else:
                id = client.write("POST", path, {"name": "web", **body})["id"]
        except NotFoundError:
            raise AuthError(
                f"The token may not manage the webhooks of {repository}: give it the permission "
                "Webhooks: read and write, or add the webhook by hand."
            ) from None
        ids.append(f"{repository}:{id}")
    return Subscription(" ".join(ids), secret=secret)


def renew(client: GithubClient, subscription: Subscription) -> Subscription:
    """GitHub's webhooks do not expire; one that was switched off is switched on again.

    Raises NotFoundError where one is gone.
    """
    for path in _paths(subscription):
        if not one(client.get(path)).get("active"):
            client.write("PATCH", path, {"active": True})
    return subscription


def unsubscribe(client: GithubClient, subscription: Subscription) -> None:
    for path in _paths(subscription):
        try:
            client.delete(path)
        except NotFoundError:
            continue  # a person was faster


def _paths(subscription: Subscription) -> Iterator[str]:
    for part in subscription.id.split():
        repository, _, id = part.rpartition(":")
        yield f"/repos/{repository}/hooks/{id}"

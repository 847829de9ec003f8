"""Checks of how a connector hears of changes at once: registered webhooks, and watching."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Thread
from typing import Any

from connectors.sdk.conformance.kit import (
    Failed,
    Stage,
    check,
    error_of,
    must,
    pulls,
    subscribes,
)
from connectors.sdk.connector import Tier, Watcher
from connectors.sdk.errors import ConnectorError, NotFoundError
from connectors.sdk.records import Cursor

PROMPT = 10.0
"""Seconds within which whoever watches must have noticed."""
LONG = 60.0
"""Seconds that it is asked to wait, so that only an event ends it in time."""


@check(
    "subscribes-once",
    Tier.GOLD,
    "Each start of a hub must not add one more webhook.",
    subscribes,
    once=True,
)
def subscribes_once(stage: Stage) -> None:
    connector, url = stage.connector(), "https://hub.example.com/webhooks/kit"
    connector.subscribe(url)
    made = connector.subscribe(url)
    at_vendor = stage.drill.subscriptions()
    must(list(at_vendor.values()).count(url) == 1, f"After two calls: {dict(at_vendor)}")
    must(made.id in at_vendor, f"The vendor knows no subscription {made.id}.")
    connector.unsubscribe(made)
    must(made.id not in stage.drill.subscriptions(), "It is still there after unsubscribe.")
    connector.unsubscribe(made)


@check(
    "renews-subscriptions",
    Tier.GOLD,
    "A registration that ends quietly is silence that nobody notices.",
    subscribes,
    once=True,
)
def renews_subscriptions(stage: Stage) -> None:
    connector, url = stage.connector(), "https://hub.example.com/webhooks/kit"
    made = connector.subscribe(url)
    renewed = connector.renew(made)
    must(renewed.id in stage.drill.subscriptions(), "After a renewal the vendor knows none.")
    must(
        made.expires_at is None
        or (renewed.expires_at is not None and renewed.expires_at >= made.expires_at),
        f"A renewal ends at {renewed.expires_at}, before {made.expires_at}.",
    )
    stage.drill.expire_subscription(renewed.id)
    error = error_of(lambda: connector.renew(renewed))
    must(
        isinstance(error, NotFoundError) or (error is None and stage.drill.subscriptions()),
        f"Renewing what has ended gives {type(error).__name__}: {error}",
    )


@check(
    "follows-the-address",
    Tier.GOLD,
    "A hub that moves must be called at its new address, and not at the old one, which may be "
    "somebody else's by then.",
    subscribes,
    once=True,
)
def follows_the_address(stage: Stage) -> None:
    connector = stage.connector()
    former, current = (f"https://{host}.example.com/webhooks/kit" for host in ("old", "new"))
    before = connector.subscribe(former)
    after = connector.subscribe(current)
    if before.id != after.id:  # as the hub does it
        connector.unsubscribe(before)
    at_vendor = stage.drill.subscriptions()
    addresses = list(at_vendor.values())
    must(any(one.startswith(current) for one in addresses), f"Not registered: {addresses}")
    must(after.id in at_vendor, f"The vendor knows no subscription {after.id}.")
    left = [one for one in addresses if one.startswith(former)]
    must(not left, f"The former address is still registered: {left}")


# --------------------------------------------------------------------------------------- watching


@check(
    "wakes-up",
    Tier.GOLD,
    "What comes between a pull and the next wait would lie unseen until the next turn, and a wait "
    "that does not end holds up the end of the hub.",
    lambda cls, spec: pulls(cls, spec) and issubclass(cls, Watcher),
)
def wakes_up(stage: Stage) -> None:
    connector = stage.connector()
    stage.drill.seed(stage.object, 1)
    _, cursor = stage.pull(connector)
    stage.drill.seed(stage.object, 1)
    waiting = _Waiting(connector, stage.object, cursor)
    waiting.join(PROMPT)
    must(waiting.told == [True], f"What came before the wait is not noticed: {waiting}")

    waiting = _resting(stage, connector, cursor)
    stage.drill.seed(stage.object, 1)
    waiting.join(PROMPT)
    must(waiting.told == [True], f"What comes during the wait is not noticed: {waiting}")

    waiting = _resting(stage, connector, cursor)
    connector.close()
    waiting.join(PROMPT)
    must(not waiting.is_alive(), f"close() does not end the wait: {waiting}")
    must(
        waiting.told[0] is False or isinstance(waiting.told[0], ConnectorError),
        f"After close() the wait says {waiting}",
    )


def _resting(stage: Stage, connector: Any, cursor: Cursor) -> _Waiting:
    """A wait with nothing new. It may end for nothing, but not each time."""
    for _ in range(5):
        _, cursor = stage.pull(connector, cursor)
        waiting = _Waiting(connector, stage.object, cursor)
        waiting.join(0.3)
        if waiting.is_alive():
            return waiting
    raise Failed(f"With nothing new it does not wait: {waiting}")


class _Waiting(Thread):
    """One wait in a thread of its own, and what it told."""

    def __init__(self, connector: Any, object: str, cursor: Cursor) -> None:
        super().__init__(daemon=True)
        self._wait: Callable[[], Any] = lambda: connector.wait(object, cursor, LONG)
        self._began = time.monotonic()
        self.told: list[Any] = []
        self.start()

    def run(self) -> None:
        try:
            self.told.append(self._wait())
        except Exception as error:
            self.told.append(error)

    def __str__(self) -> str:
        told = self.told[0] if self.told else "nothing yet"
        return f"{told} after {time.monotonic() - self._began:.1f} s"

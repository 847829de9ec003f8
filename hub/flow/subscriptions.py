"""Webhooks that the hub registers by itself: subscribed once, renewed at half of their life, taken
up anew where they have ended, and ended with their connection.

One process at a time works on a connection, under a lease; the vendor is called outside any
transaction, and repeating a call is harmless.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import structlog
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from connectors.sdk import (
    AuthError,
    ConfigError,
    ConnectorError,
    NotFoundError,
    PayloadError,
    Receiver,
    RejectedError,
    Subscriber,
    Subscription,
    TransientError,
)
from hub.flow import connections
from hub.hub import Hub
from hub.live import Snapshot
from hub.process.people import owner
from hub.store import access, circuits, outbox, subscriptions
from hub.store.exceptions import Trouble
from hub.store.queue import LostLease
from hub.unit import Unit

log = structlog.get_logger("hub.subscriptions")

Row = Mapping[str, Any]
Step = Literal["subscribe", "renew", "unsubscribe"]

PATIENCE = 5
"""Attempts after which a person hears of webhooks that cannot be registered at all."""
FAREWELLS = 10
"""Attempts to end a registration before a person is asked to do it at the vendor."""
LATE = 0.75
"""The part of its life after which a person hears of a registration that was not renewed."""
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=15)
"""Between two attempts."""
NEVER = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the workspace says about a connection's webhooks. `url` is the address to register, None
    where HUB_PUBLIC_URL does not tell how vendors find us. `unclear`: its configuration cannot be
    read, and what is registered stays.
    """

    subscribe: bool = False
    url: str | None = None
    unclear: bool = False


def wishes_of(hub: Hub, snapshot: Snapshot) -> dict[str, Wish]:
    """The connections that say `webhook: {subscribe: true}`, and those nothing is known about."""
    found: dict[str, Wish] = {}
    base = hub.settings.public_url
    for name in snapshot.workspace.connections:
        try:
            connector = snapshot.connector(name)
        except ConnectorError:
            found[name] = Wish(unclear=True)
            continue
        webhook = connector.settings.webhook
        if isinstance(connector, Subscriber) and webhook.subscribe:
            token = f"/{webhook.token.get_secret_value()}" if webhook.token else ""
            found[name] = Wish(True, f"{base}/webhooks/{name}{token}" if base else None)
    return found


def next_step(row: Row | None, wish: Wish, now: datetime, *, quiet: bool = False) -> Step | None:
    """What is to be done about a connection's webhooks now. `quiet`: it is not to be called; what
    is not wanted any more is ended all the same.
    """
    if wish.unclear:
        return None
    if row is None:
        return "subscribe" if wish.subscribe and not quiet else None
    if row["lease_until"] is not None and row["lease_until"] >= now:
        return None
    its_time = row["next_attempt_at"] <= now
    if not wish.subscribe:
        return "unsubscribe" if its_time or row["status"] != "ending" else None
    if quiet:
        return None
    if row["status"] != "active":
        return "subscribe" if its_time else None
    moved = wish.url is not None and row["url_hash"] != access.digest(wish.url)
    if moved and (its_time or not row["attempts"]):
        return "subscribe"
    return "renew" if its_time else None


def _quiet(tx: Connection) -> set[str]:
    """The connections that are not to be called: paused, left alone, or tried by somebody else."""
    trials = (name for name in circuits.half_open(tx) if not outbox.waits(tx, name))
    return circuits.shut(tx).keys() - set(trials)


def tend(hub: Hub) -> bool:
    """Whether anything is to be done; tells a person of what should have been done long ago."""
    wishes = wishes_of(hub, hub.live.current())
    with hub.database.read() as tx:
        known = subscriptions.rows(tx)
        quiet = _quiet(tx)
    now = hub.clock()
    for name, row in known.items():
        if name in wishes and not row["told"] and _is_late(row, now):
            _tell_of_the_end(hub, name, row)
    return any(
        next_step(known.get(name), wishes.get(name, Wish()), now, quiet=name in quiet)
        for name in {*wishes, *known}
    )


def keep(hub: Hub) -> int:
    """Subscribe, renew and unsubscribe what is due; with how many connections that was done."""
    snapshot = hub.live.current()
    wishes = wishes_of(hub, snapshot)
    with hub.database.read() as tx:
        known = subscriptions.rows(tx)
        quiet = _quiet(tx)
    fresh = [
        name
        for name, wish in wishes.items()
        if name not in known and next_step(None, wish, hub.clock(), quiet=name in quiet)
    ]
    if fresh:
        with hub.database.write() as tx:
            for name in fresh:
                subscriptions.keep(tx, name, snapshot.revision, hub.clock())
    now = hub.clock()
    due = [
        name
        for name, row in known.items()
        if next_step(row, wishes.get(name, Wish()), now, quiet=name in quiet)
    ]
    return sum(
        _see_to(hub, snapshot, name, wishes.get(name, Wish()), quiet=name in quiet)
        for name in sorted([*fresh, *due])
    )


def _see_to(hub: Hub, snapshot: Snapshot, name: str, wish: Wish, *, quiet: bool) -> bool:
    with hub.database.write() as tx:
        held = subscriptions.claim(tx, name)
        if held is None:
            return False
        row, fence = held
        step = next_step({**row, "lease_until": None}, wish, hub.clock(), quiet=quiet)
        may = "go" if step in (None, "unsubscribe") else connections.may_pull(tx, name)
        if step is None or may == "wait":
            subscriptions.finish(tx, name, fence)
            return False
    try:
        if step == "unsubscribe":
            _end(hub, snapshot, name, row, fence)
        else:
            renew, trial = step == "renew", may == "try"
            _register(hub, snapshot, name, row, fence, wish.url, renew=renew, on_trial=trial)
    except LostLease as error:
        log.warning("webhooks were taken over", connection=name, error=str(error))
    return True


def _as_error(name: str, caught: Exception) -> ConnectorError:
    if isinstance(caught, ConnectorError):
        return caught
    log.error("connector failed", connection=name, exc_info=caught)
    return PayloadError(f"The connector failed: {type(caught).__name__}: {caught}")


# -------------------------------------------------------------------------- registering, renewing


def _register(
    hub: Hub,
    snapshot: Snapshot,
    name: str,
    row: Row,
    fence: int,
    url: str | None,
    *,
    renew: bool,
    on_trial: bool,
) -> None:
    try:
        if url is None:
            raise RejectedError(
                "HUB_PUBLIC_URL is not set, so no vendor can be told where to send webhooks."
                " Set it to the address at which the internet reaches this hub."
            )
        connector = snapshot.connector(name)
        if not isinstance(connector, Subscriber):
            raise RejectedError(f"{connector.title} registers no webhooks by itself.")
        before = _registered(hub, name, row)
        given = _renewed(connector, before) if renew and before else None
        given = given or connector.subscribe(url)
        if before and before.id != given.id and row["url_hash"] != access.digest(url):
            _end_former(connector, name, before)
    except OperationalError:
        raise
    except Exception as caught:
        _failed(hub, name, row, fence, _as_error(name, caught), on_trial=on_trial)
        return
    now = hub.clock()
    half = max((given.expires_at - now) / 2, FIRST_WAIT) if given.expires_at else NEVER
    webhook = connector.settings.webhook
    shown = url.removesuffix(webhook.token.get_secret_value()) if webhook.token else None
    with hub.unit() as unit:
        if given.secret:
            subscriptions.add_secret(unit.tx, hub.settings.secret_key, name, given.secret)
        subscriptions.finish(
            unit.tx,
            name,
            fence,
            status="active",
            id=given.id,
            url=f"{shown}***" if shown else url,
            url_hash=access.digest(url),
            since=now,
            expires_at=given.expires_at,
            attempts=0,
            error=None,
            told=False,
            revision=snapshot.revision,
            next_attempt_at=now + half,
        )
        connections.settle(unit, name, "its webhooks are registered", subscriptions.ABOUT)
        if on_trial:
            connections.note_success(unit, name)


def _registered(hub: Hub, name: str, row: Row) -> Subscription | None:
    """What is registered now, as the connector gave it."""
    if row["id"] is None:
        return None
    with hub.database.read() as tx:
        secrets = subscriptions.secrets_of(tx, hub.settings.secret_key, name)
    return Subscription(row["id"], row["expires_at"], secrets[0] if secrets else None)


def _renewed(connector: Subscriber, before: Subscription) -> Subscription | None:
    try:
        return connector.renew(before)
    except NotFoundError:
        return None  # it ended: it is registered anew


def _end_former(connector: Subscriber, name: str, before: Subscription) -> None:
    """At an address that is no longer ours. The new one works, whatever becomes of this."""
    try:
        connector.unsubscribe(before)
    except ConnectorError as error:
        log.warning("a former webhook stays registered", connection=name, error=str(error))


def _failed(
    hub: Hub, name: str, row: Row, fence: int, error: ConnectorError, *, on_trial: bool
) -> None:
    now = hub.clock()
    attempts = row["attempts"] + 1
    asked = timedelta(seconds=getattr(error, "retry_after", None) or 0)
    wait = max(asked, min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempts - 1, 10)))
    active = row["status"] == "active"
    hopeless = attempts >= PATIENCE and not active
    with hub.unit() as unit:
        subscriptions.finish(
            unit.tx,
            name,
            fence,
            status="active" if active else "wanted",
            attempts=attempts,
            error=str(error)[:2000],
            next_attempt_at=now + wait,
        )
        ours = isinstance(error, AuthError | ConfigError)
        if ours or (on_trial and isinstance(error, TransientError)):
            connections.note_failure(unit, name, error, on_trial=on_trial)
        elif on_trial:
            circuits.call_off(unit.tx, name)  # it did answer
        if not ours and (hopeless or not isinstance(error, TransientError)):
            _tell(unit, name, f"The webhooks of {name} cannot be registered", str(error))


def _is_late(row: Row, now: datetime) -> bool:
    if row["status"] != "active" or row["expires_at"] is None:
        return False
    life: timedelta = row["expires_at"] - row["since"]
    return bool(now >= row["since"] + life * LATE)


def _tell_of_the_end(hub: Hub, name: str, row: Row) -> None:
    until = f"{row['expires_at']:%Y-%m-%d %H:%M} UTC"
    with hub.unit() as unit:
        why = row["error"] or "Nobody has tried: is the connection paused, does a worker run?"
        _tell(unit, name, f"The webhooks of {name} end at {until} and are not renewed", why)


def _tell(unit: Unit, name: str, title: str, why: str) -> None:
    if not subscriptions.note_told(unit.tx, name):
        return
    unit.trouble(
        Trouble(
            "connection",
            title,
            f"{why} The hub goes on trying; without webhooks, changes come by pull only. To try at"
            f" once when it is mended: hub connections resume {name}",
            severity="high",
            subject=name,
            owner=owner(unit),
            place=subscriptions.ABOUT,
            data={"connection": name, "about": subscriptions.ABOUT},
        )
    )


# ----------------------------------------------------------------------------------------- ending


def _end(hub: Hub, snapshot: Snapshot, name: str, row: Row, fence: int) -> None:
    """End a registration that nobody wants, with the settings of the revision that wanted it."""
    former = None
    try:
        before = _registered(hub, name, row)
        if before is not None:
            connector = _current(snapshot, name)
            if connector is None:
                former = hub.live.former(name, row["revision"])
                found = former.connector(name) if former else None
                connector = found if isinstance(found, Subscriber) else None
            if connector is None:
                raise RejectedError(f"No stored revision has the connection '{name}'.")
            connector.unsubscribe(before)
    except NotFoundError:
        pass
    except OperationalError:
        raise
    except Exception as caught:
        _still_there(hub, name, row, fence, _as_error(name, caught))
        return
    finally:
        if former is not None:
            former.close()
    with hub.unit() as unit:
        subscriptions.remove(unit.tx, name, fence)
        connections.settle(unit, name, "its webhooks are not wanted", subscriptions.ABOUT)


def _current(snapshot: Snapshot, name: str) -> Subscriber | None:
    if name not in snapshot.workspace.connections:
        return None
    connector = snapshot.connector(name)
    return connector if isinstance(connector, Subscriber) else None


def _still_there(hub: Hub, name: str, row: Row, fence: int, error: ConnectorError) -> None:
    attempts = (row["attempts"] if row["status"] == "ending" else 0) + 1
    if isinstance(error, TransientError) and attempts < FAREWELLS:
        with hub.database.write() as tx:
            subscriptions.finish(
                tx,
                name,
                fence,
                status="ending",
                attempts=attempts,
                error=str(error)[:2000],
                next_attempt_at=hub.clock() + LONGEST_WAIT,
            )
        return
    with hub.unit() as unit:
        subscriptions.remove(unit.tx, name, fence)
        connections.settle(unit, name, "its webhooks are not wanted", subscriptions.ABOUT)
        unit.trouble(
            Trouble(
                "connection",
                f"A webhook of {name} may still be registered at the vendor",
                f"{error} What it sends is refused. Remove the webhook {row['id']} there, then"
                " resolve this.",
                severity="low",
                subject=name,
                owner=owner(unit),
                place=f"{subscriptions.ABOUT}/ended",
                data={"connection": name, "about": "ended"},
            )
        )


# --------------------------------------------------------------------------------------- handshake


def take_secret(hub: Hub, name: str, secret: str) -> None:
    """Keep a secret that a handshake handed over while we register, or to a connection that awaits
    it behind the token in its address. Raises PermissionError at any other time: anybody can send
    a handshake.
    """
    connector = hub.live.current().connector(name)
    if isinstance(connector, Receiver) and connector.awaits_secret:
        key, stored = hub.settings.secret_key, subscriptions.handed_over_name(name)
        with hub.database.write() as tx:
            known = (access.get_secret(tx, key, stored) or "").splitlines()
            if secret not in known:
                kept = "\n".join([secret, *known][: subscriptions.KEPT])
                access.put_secret(tx, key, stored, kept, hub.clock())
        return
    why = f"a handshake offered a secret, and no webhook of {name} is being registered"
    with hub.database.read() as tx:
        # before anything is written: strangers must not keep the writer busy
        if not subscriptions.awaits_secret(tx, name):
            raise PermissionError(why)
    with hub.database.write() as tx:
        if not subscriptions.awaits_secret(tx, name):
            raise PermissionError(why)
        subscriptions.add_secret(tx, hub.settings.secret_key, name, secret)

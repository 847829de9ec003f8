"""A hub in this process over real sandboxes, its stages driven by hand: nothing runs by itself,
and nobody waits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml

from connectors.github.sandbox import GithubSandbox, Sent
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.sdk import Delivery, Receiver
from connectors.sdk.sandbox import Sandbox
from hub.apply import apply
from hub.flow import drift
from hub.flow.bring_in import bring_in
from hub.flow.deliver import deliver
from hub.flow.drain import drain
from hub.flow.intake import parse_deliveries
from hub.flow.pull import pull, pullable
from hub.hub import Hub, open_hub
from hub.registry import connector_classes
from hub.settings import Settings
from hub.store import cases, events, exceptions, inbox, outbox, queue, records, schemas, work
from hub.store import tables as t
from hub.store.records import NewRecord
from tests.hub.club import ClubConnector
from webhooks.inbox import Incoming, Stored

Row = dict[str, Any]

CONNECTORS = {**connector_classes(), "club": ClubConnector}
"""The installed connectors, and a fictional one."""

PEOPLE: Row = {
    "people": {
        "dana": {"name": "Dana Meier", "email": "dana@acme.test", "deputies": ["lee"]},
        "lee": {"name": "Lee Kim", "email": "lee@acme.test"},
    },
    "roles": {"ops": ["dana"], "legal": ["lee"]},
}


def people(sandboxes: Mapping[str, Sandbox]) -> str:
    """Dana and Lee, and who they are in each tool."""
    known = {}
    for name, sandbox in sandboxes.items():
        if isinstance(sandbox, GithubSandbox):
            known[name] = {"dana": "dmeier", "lee": "lkim"}
        elif isinstance(sandbox, SalesforceSandbox):
            known[name] = {key: sandbox.user(f"{key}@acme.test") for key in ("dana", "lee")}
    return yaml.safe_dump({**PEOPLE, "identities": known})


@dataclass(slots=True)
class Clock:
    """The hub's clock, moved by the test. The queues go by the database's, which goes on."""

    ahead: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(slots=True)
class World:
    """A hub with its sandboxes, and how a test looks into it."""

    hub: Hub
    clock: Clock
    env: dict[str, str]
    files: dict[str, str]
    given: set[str] = field(default_factory=set)

    # ------------------------------------------------------------------------------ setting up

    def apply(self, files: Mapping[str, str]) -> None:
        """Put another revision in force."""
        self.files = {**self.files, **files}
        apply(
            self.hub.database, self.files, CONNECTORS, self.clock(), env=self.env,
            force=True,
        )  # fmt: skip

    # ---------------------------------------------------------------------------------- moving

    def hurry(self) -> None:
        """Whatever waits for its time may go now, and whoever was to be left alone be asked."""
        with self.hub.database.write() as tx:
            tx.execute(t.connections.update().values(open_until=None, limited_until=None))
            for one in (inbox.DELIVERIES, records.RECORDS, outbox.PUSHES):
                queue.hurry(tx, one)

    def die(self) -> None:
        """What a `kill -9` leaves: leases that nobody holds, and claims that are not forgotten."""
        with self.hub.database.write() as tx:
            for one in (inbox.DELIVERIES, records.RECORDS, outbox.PUSHES):
                queue.recover(tx, one)

    def pull(self, *connections: str) -> None:
        """Pull all that can be pulled (of these connections)."""
        for connection, object in pullable(self.hub.live.current()):
            if not connections or connection in connections:
                pull(self.hub, connection, object, force=True)

    def work(self, rounds: int = 30) -> None:
        """Parse, bring in, deliver and drain until nothing is due, without waiting for what is
        not.
        """
        stages = (parse_deliveries, bring_in, deliver, drain)
        for _ in range(rounds):
            if not sum(stage(self.hub) for stage in stages):
                return
        raise AssertionError("the stages do not come to rest")

    def settle(self, rounds: int = 6) -> None:
        """Pull and work until everything that waited had its turn."""
        for _ in range(rounds):
            self.pull()
            self.hurry()
            self.work()

    def discover(self) -> None:
        """Ask every account what fields it has, and do what follows from it."""
        drift.tend(self.hub)
        with self.hub.database.write() as tx:
            for connection in self.hub.live.current().workspace.connections:
                schemas.ask(tx, connection)
        self.follow()

    def follow(self, rounds: int = 10) -> None:
        """Ask accounts only where it is time, and do what follows from it."""
        for _ in range(rounds):
            if not (drift.tend(self.hub) and drift.discover(self.hub)):
                return
        raise AssertionError("the accounts are asked again and again")

    # ------------------------------------------------------------------------------ deliveries

    def receive(self, connection: str, sent: Sequence[Sent]) -> list[Stored]:
        """Take webhooks of GitHub in, as the intake would."""
        batch = [
            Incoming(
                connection=connection,
                delivery_id=one.guid,
                received_at=self.clock(),
                method="POST",
                url=f"http://hub/webhooks/{connection}",
                headers={"x-github-event": one.event, "content-type": "application/json"},
                body=one.body,
                body_hash=hashlib.sha256(one.body).hexdigest(),
                verdict="genuine",
                capture=False,
            )
            for one in sent
        ]
        with self.hub.database.write() as tx:
            return inbox.store(tx, batch)

    def take(self, connection: str, deliveries: Sequence[Delivery]) -> list[Stored]:
        """Take any tool's deliveries in, judged by its connector as the intake would."""
        receiver = self.hub.live.current().connector(connection)
        assert isinstance(receiver, Receiver)
        batch = [
            Incoming(
                connection=connection,
                delivery_id=receiver.verify(one),
                received_at=self.clock(),
                method=one.method,
                url=one.url,
                headers=one.headers,
                body=one.body,
                body_hash=hashlib.sha256(one.body).hexdigest(),
                verdict="genuine",
                capture=False,
            )
            for one in deliveries
        ]
        with self.hub.database.write() as tx:
            return inbox.store(tx, batch)

    def hear(self, github: GithubSandbox, connection: str = "github") -> list[Stored]:
        """Take in the webhooks that GitHub sent and that were not taken in yet."""
        fresh = [one for one in github.sent if one.guid not in self.given]
        self.given |= {one.guid for one in fresh}
        return self.receive(connection, fresh)

    def bring(self, *states: Any, connection: str = "github", source: str = "webhook") -> None:
        """Queue records as a delivery or a pull would."""
        with self.hub.database.write() as tx:
            records.enqueue(
                tx,
                [
                    NewRecord(
                        connection, one.object, one.id, "state", records.state_of(one), source, "x"
                    )
                    for one in states
                ],
                self.clock(),
            )

    # --------------------------------------------------------------------------------- looking

    def all(self, table: sa.Table, *conditions: Any) -> list[Row]:
        statement = sa.select(table).where(*conditions).order_by(*table.primary_key.columns)
        with self.hub.database.read() as tx:
            return [dict(row) for row in tx.execute(statement).mappings()]

    def tasks(self) -> list[Row]:
        return self.all(t.tasks)

    @property
    def task(self) -> Row:
        """The only task there is."""
        [task] = self.tasks()
        return task

    def links(self) -> list[Row]:
        return self.all(t.links)

    def pushes(self, *conditions: Any) -> list[Row]:
        return self.all(t.pushes, *conditions)

    def comments(self) -> list[Row]:
        return self.all(t.comments)

    def exceptions(self, status: str | None = "open") -> list[Row]:
        with self.hub.database.read() as tx:
            return [dict(row) for row in exceptions.list_exceptions(tx, status=status)]

    def kinds(self) -> list[str]:
        """The types of the open exceptions."""
        return sorted(row["type"] for row in self.exceptions())

    def events(self, type: str | None = None) -> list[Row]:
        return self.all(t.events, *([t.events.c.type == type] if type else []))

    def party(self, key: str) -> str:
        with self.hub.database.read() as tx:
            return str(work.people(tx)[key]["id"])

    @property
    def case(self) -> Row:
        """The only case there is."""
        [case] = self.all(t.cases)
        return case

    def steps(self) -> dict[tuple[str, int], Row]:
        """The steps of all cases, by key and run."""
        return {(row["key"], row["run"]): row for row in self.all(t.steps)}

    def decision(self) -> Row:
        """The newest decision."""
        with self.hub.database.read() as tx:
            return cases.list_decisions(tx)[0]

    def chain(self) -> str | None:
        """What is broken in the event chain."""
        with self.hub.database.write() as tx:
            events.seal(tx)
            return events.verify(tx)[2]

    # --------------------------------------------------------------------------------- editing

    def edit(self, id: str, kind: str = "task", **values: Any) -> None:
        """A person changes an entity in the hub."""
        from hub.flow import change

        with self.hub.unit() as unit:
            entity = work.load(unit.tx, kind, [id], lock=True)[id]
            change.change(unit, kind, entity, values)
            work.save(unit.tx, kind, [entity])

    def create(
        self, connection: str | None = None, object: str | None = None, **values: Any
    ) -> str:
        """A person makes a task in the hub, mirrored in a tool if one is named."""
        from hub.flow import change

        with self.hub.unit() as unit:
            task = change.new_entity("task", values, unit)
            work.insert(unit.tx, "task", [task])
            change.announce_new(unit, "task", task)
            if connection:
                assert change.mirror(unit, "task", task, connection, object)
        return str(task["id"])

    def say(self, task: str, body: str, visibility: str = "public") -> str:
        """A person comments on a task in the hub."""
        from hub.flow import change

        with self.hub.unit() as unit:
            values = {"task": task, "body": body, "visibility": visibility}
            comment = change.new_entity("comment", values, unit)
            work.insert(unit.tx, "comment", [comment])
            change.announce_new(unit, "comment", comment)
            change.mirror_comment(unit, comment, work.links_of(unit.tx, [task]).get(task, ()))
        return str(comment["id"])


def make_world(
    folder: Path,
    database_url: str,
    sandboxes: Mapping[str, Sandbox],
    files: Mapping[str, str] | None = None,
    **more: Mapping[str, Any],
) -> World:
    """A hub whose connections are these sandboxes, by name; `more` adds to a connection's block."""
    env: dict[str, str] = {}
    connections = {}
    for name, sandbox in sandboxes.items():
        env |= sandbox.env()
        connections[name] = {**sandbox.connection(), **more.get(name, {})}
    clock = Clock()
    settings = Settings(
        folder,
        database_url,
        None,
        b"a-key-of-tests-that-is-long-enough",
        public_url="https://hub.acme.test",
    )
    hub = open_hub(settings, CONNECTORS, env=env, clock=clock)
    written = yaml.safe_dump({"name": "acme-ops", "connections": connections})
    world = World(hub, clock, env, {"hub.yaml": written, "people.yaml": people(sandboxes)})
    world.apply(files or {})
    return world

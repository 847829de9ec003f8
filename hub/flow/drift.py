"""Schema drift: once a day, after a new revision and when a field fails, each account is asked what
fields it has. What a mapping goes by and is not so any more is kept aside, that field only, and its
owner is told; when it fits again, what waited is brought in and sent.

No network call happens inside a transaction. A discover that fails is trouble of its connection and
no drift, and one that finds nothing is not believed.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError

from connectors.sdk import ConnectorError, PayloadError, Record, Source, UnsupportedError
from connectors.sdk.records import Field
from hub.flow import connections, mending
from hub.flow.differences import Drift, absorb, changes, drifts, fields_of, gone_by, plain
from hub.flow.fitting import roots_read
from hub.flow.quarantine import end
from hub.hub import Hub
from hub.live import Snapshot
from hub.process.people import owner
from hub.store import circuits, exceptions, schemas
from hub.store.exceptions import Trouble
from hub.store.queue import LostLease
from hub.store.schemas import Key
from hub.unit import Unit
from mappings.compiler import CompiledMapping

log = structlog.get_logger("hub.drift")

ABOUT = "schema"
"""`data.about` of the exceptions that this raises."""
EVERY = timedelta(days=1)
LEASE = timedelta(minutes=5)
AGAIN = timedelta(minutes=10)
"""After a discover that failed or found nothing."""
KEPT = 50
"""Changes of an object that are shown."""

Row = dict[str, Any]


# ------------------------------------------------------------------------------------ whose turn


def wanted(snapshot: Snapshot) -> set[Key]:
    """The objects that mappings speak of and that an account can be asked about."""
    return {
        (connection, object)
        for connection, object in snapshot.workspace.mappings
        if connection in snapshot.workspace.connections
        and issubclass(
            snapshot.classes[snapshot.workspace.connections[connection].connector], Source
        )
    }


def tend(hub: Hub) -> bool:
    """Whether anything is to be done; sees to it that every object has its row."""
    snapshot = hub.live.current()
    want = wanted(snapshot)
    if want != snapshot.drifts.keys():
        with hub.database.write() as tx:
            known = schemas.known(tx)
            schemas.keep(tx, sorted(want - known), schemas.later(tx, hub.clock()))
            schemas.forget(tx, sorted(known - want))
        snapshot = hub.live.current()
    if any(_stale(snapshot, key) or _mends(snapshot, key) for key in want):
        return True
    return bool(_due(hub))


def _stale(snapshot: Snapshot, key: Key) -> bool:
    """Whether an object was judged by another revision than the one in force."""
    judged = snapshot.drifts.get(key, {}).get("revision")
    return judged is not None and judged != snapshot.revision


def _mends(snapshot: Snapshot, key: Key) -> bool:
    return bool(snapshot.drifts.get(key, {}).get("mend"))


def _due(hub: Hub) -> list[Key]:
    """Whose time has come, of connections that may be called."""
    with hub.database.read() as tx:
        found = schemas.due(tx)
        shut = circuits.shut(tx) if found else ()
    return [key for key in found if key[0] not in shut]


def discover(hub: Hub) -> int:
    """Judge what another revision may see otherwise, go on with what mends, and ask the accounts
    whose time has come; how much was done.
    """
    snapshot = hub.live.current()
    done = 0
    for key in sorted(wanted(snapshot)):
        if _stale(snapshot, key):
            with hub.unit() as unit:
                done += _judge_again(unit, key)
        if _mends(hub.live.current(), key):
            done += mending.go_on(hub, key)
    for connection, object in _due(hub):
        done += ask_account(hub, connection, object)
    return done


def ask_account(hub: Hub, connection: str, object: str) -> bool:
    """Ask an account what fields an object has, if it is time and nobody else does."""
    with hub.database.write() as tx:
        fence = schemas.claim(tx, connection, object, LEASE)
    if fence is None:
        return False
    snapshot = hub.live.current()
    try:
        connector = snapshot.connector(connection)
        if not isinstance(connector, Source):
            raise UnsupportedError(f"The connection '{connection}' cannot be read.")
        found = connector.discover(object)
    except OperationalError:
        raise
    except Exception as caught:
        return _failed(hub, connection, object, fence, caught)
    try:
        with hub.unit() as unit:
            _learn(unit, (connection, object), found, fence)
            if found:
                connections.note_success(unit, connection)
    except LostLease as error:
        log.warning("an account was asked twice", connection=connection, error=str(error))
    hub.live.current()
    return True


def _failed(hub: Hub, connection: str, object: str, fence: int, caught: Exception) -> bool:
    """Trouble of the connection, as any other of its failures."""
    error = caught
    if not isinstance(caught, ConnectorError):
        log.error("connector failed", connection=connection, exc_info=caught)
        error = PayloadError(f"The connector failed: {type(caught).__name__}: {caught}")
    assert isinstance(error, ConnectorError)  # noqa: S101 - made so above
    wait = AGAIN
    with hub.unit() as unit:
        if isinstance(error, UnsupportedError):
            wait = EVERY  # it knows of no fields there: nothing to compare with
        else:
            connections.note_failure(unit, connection, error)
        try:
            schemas.finish(unit.tx, connection, object, fence, wait)
        except LostLease:
            log.warning("an account was asked twice", connection=connection)
    return True


def _stagger(key: Key) -> timedelta:
    """A day, more or less an hour: accounts are not all asked in the same minute."""
    return EVERY + timedelta(seconds=zlib.crc32("/".join(key).encode()) % 7200 - 3600)


# ------------------------------------------------------------------------------ what was learned


def _learn(unit: Unit, key: Key, found: Sequence[Field], fence: int) -> None:
    """Take in what an account said."""
    row = schemas.row(unit.tx, *key, lock=True)
    if row is None:
        return  # no mapping speaks of it any more
    if not found:
        log.warning("no fields were found, which is not believed", connection=key[0], of=key[1])
        schemas.finish(unit.tx, *key, fence, AGAIN)
        return
    document, drift = dict(row["fields"]), dict(row["drift"])
    known = fields_of(document.get("now", {}))
    now, misses = absorb(found, known, document.get("misses", {}))
    news = [] if not known else list(changes(known, now))
    at = unit.now.isoformat()
    document["changes"] = [
        *({"at": at, "field": name, "what": what} for name, what in news),
        *document.get("changes", ()),
    ][:KEPT]
    document |= {"now": plain(now), "misses": misses}
    document.setdefault("before", plain(now))
    suspects = drift.pop("suspects", {})
    drift["cleared"] = {
        **_recent(drift.get("cleared", {}), unit.now),
        **{root: at for root in suspects.values() if root in now},
    }
    again = AGAIN if misses else _stagger(key)
    values = _judge(unit, key, document, drift)
    if values == (row["fields"], row["drift"]) and not news:
        schemas.finish(unit.tx, *key, fence, again, seen_at=unit.now)
        return
    schemas.finish(
        unit.tx,
        *key,
        fence,
        again,
        fields=values[0],
        drift=values[1],
        seen_at=unit.now,
        changed_at=schemas.later(unit.tx, unit.now),
    )


def _recent(moments: Mapping[str, str], now: datetime) -> dict[str, str]:
    return {
        name: at
        for name, at in moments.items()
        if now - datetime.fromisoformat(at) < schemas.PATIENCE
    }


def _judge_again(unit: Unit, key: Key) -> bool:
    """What another revision says of what is known."""
    row = schemas.row(unit.tx, *key, lock=True)
    if row is None or row["drift"].get("revision") == unit.snapshot.revision:
        return False
    fields, drift = _judge(unit, key, dict(row["fields"]), dict(row["drift"]))
    schemas.write(
        unit.tx,
        *key,
        {"fields": fields, "drift": drift, "changed_at": schemas.later(unit.tx, unit.now)},
    )
    return True


def _judge(unit: Unit, key: Key, document: Row, drift: Row) -> tuple[Row, Row]:
    """The documents of an object as they are after it was held against the mapping in force. Tells
    what is wrong, and notes what is to be brought in and sent again.
    """
    mapping = unit.snapshot.mapping(*key)
    if mapping is None:
        return document, drift
    before, now = fields_of(document.get("before", {})), fields_of(document.get("now", {}))
    found = drifts(mapping, before, now, *key)
    document["before"] = plain(gone_by(before, now, found))
    held = {*drift.get("in", ()), *drift.get("out", ())}
    suspects = set(drift.get("suspects", {}))
    reads = {one.field for one in found if one.not_read}
    drift["in"] = sorted(reads | suspects)
    drift["out"] = sorted({one.field for one in found if one.not_written} | suspects)
    free = held - {*drift["in"], *drift["out"]}
    if free:
        drift["mend"] = mending.begun(drift.get("mend"), free)
    drift["told"] = _tell(unit, key, mapping, found, drift.get("told", {}))
    drift["revision"] = unit.snapshot.revision
    return document, drift


def _tell(
    unit: Unit,
    key: Key,
    mapping: CompiledMapping,
    found: Iterable[Drift],
    told: Mapping[str, str],
) -> dict[str, str]:
    """One exception for each field, told once; what is over is closed. What a person closed stays
    closed until something else is wrong with it.
    """
    connection, object = key
    open_ = {
        row["fingerprint"]: row
        for row in exceptions.open_of(unit.tx, connection, *exceptions.UNMAPPED)
        if row["data"].get("about") == ABOUT and row["data"].get("object") == object
    }
    saying: dict[str, str] = {}
    for one in found:
        path = mapping.spec.fields.get(one.field)
        trouble = Trouble(
            one.type,
            one.title,
            one.detail,
            severity=one.severity,
            subject=connection,
            owner=owner(unit),
            place=f"{ABOUT}/{object}/{one.field}",
            data={
                "about": ABOUT,
                "connection": connection,
                "object": object,
                "named": one.field,
                "their": one.root,
                "what": one.what,
                "renamed_to": one.renamed_to,
                "mapping": one.place,
                "path": path.sources[0].text if path and path.sources else None,
            },
            counted=False,
        )
        before = open_.pop(trouble.fingerprint, None)
        saying[trouble.fingerprint] = one.detail
        if before is not None and before["detail"] == one.detail:
            continue
        if before is not None and before["data"].get("what") != one.what:
            end(unit, {"it is wrong in another way now": [before]})
            before = None
        if before is not None or told.get(trouble.fingerprint) != one.detail:
            unit.trouble(trouble)
    end(unit, {f"it fits revision {unit.snapshot.revision} and the account": [*open_.values()]})
    return saying


# ------------------------------------------------------------------------- seen at the first value


def look(hub: Hub, connection: str, object: str, records: Sequence[Record]) -> None:
    """Look whether the records of a pulled page lack a field altogether that their mapping reads
    and that they had: then it may be gone. It is kept aside at once, and the account is asked.
    """
    snapshot = hub.live.latest()
    mapping = snapshot.mapping(connection, object)
    if mapping is None or (connection, object) not in snapshot.drifts:
        return
    live = [
        one
        for one in records
        if one.object == object and not one.deleted and isinstance(one.data, Mapping)
    ]
    held = snapshot.not_read(connection, object)
    if held and live:
        _look_for_what_is_back(hub, mapping, (connection, object), held, live)
    lacking = [
        root
        for root in mapping.source_fields
        if root != "*" and live and not any(root in one.data for one in live)
    ]
    if not lacking:
        return
    spec = mapping.spec
    reading = {
        name: roots & set(lacking)
        for name, one in spec.fields.items()
        if (roots := roots_read(spec, one)) & set(lacking)
    }
    doubtful = {name: roots for name, roots in reading.items() if name not in held}
    if not doubtful:
        return
    with hub.database.read() as tx:
        had = schemas.had(tx, connection, object, [one.id for one in live[:LOOKED_AT]])
    suspects = {name: min(roots & had) for name, roots in doubtful.items() if roots & had}
    if suspects:
        _suspect(hub, (connection, object), suspects)


def _look_for_what_is_back(
    hub: Hub,
    mapping: CompiledMapping,
    key: Key,
    held: Collection[str],
    records: Sequence[Record],
) -> None:
    """Ask soon where records have again what is kept aside: nobody should wait a day for it."""
    spec = mapping.spec
    for name in held:
        roots = roots_read(spec, spec.fields[name]) if name in spec.fields else frozenset()
        if roots and all(any(root in one.data for one in records) for root in roots):
            with hub.database.write() as tx:
                schemas.ask_unless(tx, *key, hub.clock() - AGAIN)
            return


LOOKED_AT = 50
"""Records of a page whose former data is looked at."""


def _suspect(hub: Hub, key: Key, suspects: Mapping[str, str]) -> None:
    with hub.database.write() as tx:
        row = schemas.row(tx, *key, lock=True)
        if row is None:
            return
        drift = dict(row["drift"])
        cleared = _recent(drift.get("cleared", {}), hub.clock())
        new = {name: root for name, root in suspects.items() if root not in cleared}
        if not new:
            return
        drift["suspects"] = {**drift.get("suspects", {}), **new}
        for way in ("in", "out"):
            drift[way] = sorted({*drift.get(way, ()), *new})
        schemas.write(tx, *key, {"drift": drift, "changed_at": schemas.later(tx, hub.clock())})
        schemas.ask(tx, *key)
    hub.wake("discover")

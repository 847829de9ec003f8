"""The users of tools come in: each is known for one of ours, or is shown as unknown. Nobody is
guessed, and nobody becomes somebody else by a new address.

A person may say who somebody is, and take it back: what went to the wrong one is mapped again. What
waited for a name goes on by itself once the name is known (`mend`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from hub import recognition
from hub.flow import change, quarantine, set_right
from hub.flow.arrival import Arrival, Batch
from hub.flow.fallback import tell_the_queue
from hub.flow.noted import keep_identity
from hub.hub import Hub
from hub.live import Snapshot
from hub.process.people import owner
from hub.recognition import Evidence, Names
from hub.store import accounts, exceptions, work
from hub.store.exceptions import Trouble
from hub.unit import Unit

Row = dict[str, Any]
Key = accounts.Key

AGAIN = timedelta(seconds=60)
"""Whoever had looked before somebody became known has committed by then."""


# ------------------------------------------------------------------------------ users that come in


def take_in(unit: Unit, batch: Batch) -> None:
    """The records of users of one transaction: read, recognised and linked, in order."""
    arrivals, batch.people = batch.people, []
    accounts.alone(unit.tx)
    known = _stored(unit, arrivals)
    names = {id(one): _names(one) for one in arrivals if one.mapped is not None}
    evidence = _evidence(unit, arrivals, names)
    links: dict[Key, Row] = {}
    changed: dict[Key, Row] = {}
    for arrival in arrivals:
        row = arrival.row
        key = (row["connection"], row["object"], arrival.record.id)
        link = arrival.link = arrival.link or links.get(key)
        account = known.get(key)
        before = dict(account) if account else None
        if arrival.record.deleted:
            if account is not None:
                account["active"] = False
            if link is not None:
                link["remote_deleted"], link["misses"] = True, 0
                link["updated_at"] = unit.now
        else:
            if account is None:
                account = known[key] = accounts.new(*key)
            _hear(unit, arrival, account, names[id(arrival)], evidence[key[0]], before)
            link = _link(unit, batch, arrival, account)
        if link is not None:
            links[key] = link
        if account is not None and account != before:
            changed[key] = account
    if not changed:
        return
    fresh = [one for one in changed.values() if one["party"] and one["active"]]
    accounts.keep(unit.tx, list(changed.values()), unit.now)
    tell_the_queue(unit, {(one["connection"], one["party"]) for one in fresh})


def _stored(unit: Unit, arrivals: Sequence[Arrival]) -> dict[Key, Row]:
    wanted: dict[tuple[str, str], set[str]] = {}
    for arrival in arrivals:
        row = arrival.row
        wanted.setdefault((row["connection"], row["object"]), set()).add(arrival.record.id)
    return {
        (connection, object, id): row
        for (connection, object), ids in wanted.items()
        for id, row in accounts.of_records(unit.tx, connection, object, ids).items()
    }


def _names(arrival: Arrival) -> Names:
    values = arrival.mapped.values if arrival.mapped else {}
    own = [arrival.record.id, *([values["handle"]] if values.get("handle") else [])]
    login, email = (str(values.get(name) or "").strip().lower() for name in ("login", "email"))
    return Names(
        tuple(dict.fromkeys(str(one).strip().lower() for one in own)),
        login or None,
        email if "@" in email else None,
    )


def _evidence(
    unit: Unit, arrivals: Sequence[Arrival], names: Mapping[int, Names]
) -> dict[str, Evidence]:
    """What there is to go by, for the connections of these users."""
    addresses, called = set(), dict[str, set[str]]()
    for arrival in arrivals:
        if (one := names.get(id(arrival))) is not None:
            addresses |= {name for name in (one.email, one.login) if name and "@" in name}
            called.setdefault(arrival.row["connection"], set()).update(one.all())
    snapshot = unit.snapshot
    owners = recognition.owners_of(accounts.parties_by_email(unit.tx, addresses))
    return {
        connection: Evidence(
            recognition.identities_of(snapshot.workspace, connection, snapshot.parties),
            {
                name: row["party"]
                for name, row in accounts.of_records(unit.tx, connection, "", every).items()
                if row["party"]
            },
            owners,
            frozenset(snapshot.people_by_id),
        )
        for connection, every in called.items()
    }


def _hear(
    unit: Unit, arrival: Arrival, account: Row, names: Names, by: Evidence, before: Row | None
) -> None:
    """What a record says of a user, and who that is."""
    assert arrival.mapped is not None  # noqa: S101 - mapped before it came here
    values = arrival.mapped.values
    outsider = values.get("side") == "external"
    account["handle"] = "" if outsider else str(values.get("handle") or arrival.record.id)
    if values.get("name"):
        account["title"] = change.storable(str(values["name"]))
    account["active"] = values.get("status", "active") == "active"
    contradiction = recognition.recognise(account, names, by)
    if account["party"] is None and outsider and names.email and account["evidence"] is None:
        party = work.ensure_external(unit.tx, names.email, unit.now, account["title"])
        by.owners = {**by.owners, names.email: party["id"]}
        account["party"], account["evidence"] = party["id"], recognition.EXTERNAL
    elif account["evidence"] == recognition.EXTERNAL and before is not None:
        _follow(arrival, account, names, by)
    if contradiction and (before is None or before["names"] != account["names"]):
        _ask(unit, account, "identities of people.yaml name several people for it")
    elif account["disputed"] and account["disputed"] != (before or {}).get("disputed"):
        other = _name_of(unit, by.owners.get(account["disputed"]))
        was = _name_of(unit, account["party"]) if account["party"] else "nobody of ours"
        _ask(unit, account, f"it was {was}, and now has the address of {other}")
    elif before is not None and before["disputed"] and not account["disputed"]:
        _end_questions(unit, account, "its address speaks for nobody else any more")


def _follow(arrival: Arrival, account: Row, names: Names, by: Evidence) -> None:
    """An outsider whom we know by this record alone is called, and written to, as it says."""
    party = arrival.entity
    if party is None or party["id"] != account["party"] or party["person"] is not None:
        return
    party["name"] = account["title"] or party["name"]
    if names.email and not account["disputed"] and by.owners.get(names.email) is None:
        party["email"] = names.email


def _link(unit: Unit, batch: Batch, arrival: Arrival, account: Row) -> Row | None:
    """The link of a user's record, with what it said last; None while nobody knows who it is."""
    link = arrival.link
    if link is None and account["party"] is not None:
        connection, object, id = accounts.key_of(account)
        link = work.new_link("party", account["party"], connection, object, id, unit.now)
        batch.fresh_links.append(link)
    if link is not None:
        if account["party"] is not None and link["entity_id"] != account["party"]:
            accounts.relink(unit.tx, account, unit.now)
            link["entity_id"] = account["party"]
        keep_identity(unit, link, arrival)
    return link


def _name_of(unit: Unit, party: str | None) -> str:
    found = work.load(unit.tx, "party", [party]) if party else {}
    return str(found[party]["name"]) if party in found else "somebody else"


def _ask(unit: Unit, account: Row, why: str) -> None:
    """An account that may be somebody else's: a person says whose it is."""
    connection, title = account["connection"], account["title"] or account["external_id"]
    unit.trouble(
        Trouble(
            "identity",
            f"Whose account is '{title}' in {connection}?",
            f"{account['object']} {account['external_id']}: {why}. Nothing was changed; until you"
            " say whose it is, what only its address speaks for is nobody's.",
            subject=account["party"],
            owner=owner(unit),
            place=_place(account),
            data={
                "connection": connection,
                "object": account["object"],
                "external_id": account["external_id"],
                "who": account["external_id"],
                "email": account["email"],
            },
        )
    )


def _place(account: Mapping[str, Any]) -> str:
    return f"{account['connection']}/{account['object']}/{account['external_id']}"


def _end_questions(unit: Unit, account: Mapping[str, Any], why: str) -> None:
    if account["party"] is None:
        return
    open_ = exceptions.open_of(unit.tx, account["party"], "identity")
    about = ("connection", "object", "external_id")
    mine = [row for row in open_ if all(row["data"][one] == account[one] for one in about)]
    quarantine.end(unit, {why: mine})


# ------------------------------------------------------------------------------------ a person says


def identify(unit: Unit, connection: str, name: str, party: Mapping[str, Any]) -> Row:
    """Somebody says who is called so in a tool; the account. Raises LookupError for a name of
    nothing, or a connection that there is not.
    """
    accounts.alone(unit.tx)
    account = _account_of(unit, connection, name) or accounts.new(
        connection, "", name.strip().lower()
    )
    if not account["object"]:
        account["handle"] = name.strip()
    before = account["party"]
    _end_questions(unit, account, f"a person said that it is {party['name']}")
    names = recognition.names_of(account)
    account["party"], account["evidence"] = party["id"], recognition.PERSON
    account["disputed"] = None
    if account["object"]:
        account["names"] = list(dict.fromkeys([*account["names"], *names.all()]))
        accounts.relink(unit.tx, account, unit.now)
    if before not in (None, party["id"]):
        set_right.map_again(unit, account, before)
    accounts.keep(unit.tx, [account], unit.now)
    unit.emit(
        "party.identified",
        party["id"],
        data={"connection": connection, "name": account["handle"] or name, "before": before},
    )
    tell_the_queue(unit, {(connection, party["id"])})
    return account


def unidentify(unit: Unit, connection: str, name: str) -> Row:
    """Somebody takes back who is called so in a tool; or says that it is not whom the address
    speaks for. Raises LookupError where nobody is known by the name, ValueError where people.yaml
    says so.
    """
    accounts.alone(unit.tx)
    account = _account_of(unit, connection, name)
    if account is None or account["party"] is None:
        raise LookupError(f"Nobody is known as '{name}' in {connection}. See: hub people")
    if account["evidence"] == recognition.IDENTITIES:
        raise ValueError(
            f"people.yaml says who '{name}' is in {connection}: mend it under"
            f" identities: {connection}, then hub apply."
        )
    before, said = account["party"], account["evidence"] == recognition.PERSON
    _end_questions(unit, account, "a person said that it is not theirs")
    account["party"], account["evidence"] = None, None if said else recognition.PERSON
    if account["object"]:
        snapshot, names = unit.snapshot, recognition.names_of(account)
        found = accounts.parties_by_email(unit.tx, {one for one in names.all() if "@" in one})
        identities = recognition.identities_of(snapshot.workspace, connection, snapshot.parties)
        ours = frozenset(snapshot.people_by_id)
        by = Evidence(identities, {}, recognition.owners_of(found), ours)
        recognition.recognise(account, names, by)
        accounts.relink(unit.tx, account, unit.now)
    if account["party"] != before:
        set_right.map_again(unit, account, before)
    accounts.keep(unit.tx, [account], unit.now)
    unit.emit(
        "party.unidentified",
        before,
        data={
            "connection": connection,
            "name": account["handle"] or name,
            "after": account["party"],
        },
    )
    return account


def _account_of(unit: Unit, connection: str, name: str) -> Row | None:
    """The account that alone is called so; None where none is. Raises LookupError for no name, no
    such connection, and a name of several.
    """
    wanted = name.strip().lower()
    if not wanted:
        raise LookupError("Say what they are called there: an id, a login or an address.")
    if connection not in unit.snapshot.workspace.connections:
        raise LookupError(f"There is no connection '{connection}' in force.")
    bearing = accounts.bearing(unit.tx, connection, name)
    own = [row for row in bearing if wanted in (row["external_id"].lower(), row["handle"].lower())]
    found = [row for row in own if row["object"]] or own or bearing
    if len(found) > 1:
        ids = ", ".join(row["external_id"] for row in found[:5])
        raise LookupError(f"Several are called '{name}' in {connection}: name one by its id: {ids}")
    return found[0] if found else None


# ----------------------------------------------------------------------------------- what goes on


def mend(hub: Hub) -> int:
    """Have everything tried again that waited for a name which is known by now; how much that is.
    Looks only if somebody became known, and once more after a while.
    """
    snapshot, live = hub.live.current(), hub.live
    if not live.people_to_mend(AGAIN):
        return 0
    connections = set(snapshot.workspace.connections)
    count, after = 0, ""
    while True:
        with hub.database.read() as tx:
            found, after = accounts.waiting(tx, connections, after)
        ids = [row["id"] for row in found if _known(snapshot, row)]
        if ids:
            with hub.database.write() as tx:
                accounts.try_again(tx, ids)
        count += len(ids)
        if not after:
            return count


def _known(snapshot: Snapshot, row: Mapping[str, Any]) -> bool:
    data = row["data"]
    connection, who = data["connection"], str(data["who"])
    if quarantine.is_outward(row):
        return snapshot.handle_for(connection, who) is not None
    return snapshot.party_for(connection, who) is not None

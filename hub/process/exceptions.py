"""Exceptions come to an end: resolved with what a person chose, waived with a reason, or tried
again once the cause is mended.

Every way ends in one event with the actor, in the transaction that carries the choice out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.flow import connections, people, sweep
from hub.process import deciders, questions
from hub.process.answers import Refused
from hub.process.closing import close, opened
from hub.process.conflicts import Choice as Choice
from hub.process.conflicts import agree_to_differ, choose
from hub.process.duplicates import keep_apart, same_or_not
from hub.process.trying_again import again, is_step, let_go_on, map_again
from hub.store import exceptions as store
from hub.store import inbox, outbox, records, work
from hub.unit import Unit

Row = dict[str, Any]
Actor = Mapping[str, Any]


def resolve(
    unit: Unit,
    id: str,
    actor: Actor,
    *,
    comment: str | None = None,
    choice: Choice | None = None,
    data: Mapping[str, Any] | None = None,
    person: str | None = None,
    account: str | None = None,
) -> None:
    """Close an exception as settled, and do what that means.

    A sync conflict takes a `choice`, and a value that could not be mapped may: ours, or another,
    is written over it. `data` is added to the case's data where a step waits for it.
    A possible duplicate takes the id of the entity that it is, which merges the two, or `separate`.
    Resolving `push_unknown` says that the write did arrive; resolving `connection` resumes it;
    resolving `mass_deletion` says that the records are gone indeed.
    Where it is about somebody whom a tool names, `person` (the id of a party) says who that is;
    where about somebody of ours, `account` says what they are called there.
    Raises Refused; LookupError if there is none.
    """
    row = opened(unit, id)
    with unit.acting(actor, correlation=unit.correlation):
        told: Row = {}
        match row["type"]:
            case "unmapped_value" | "identity" if person is not None or account is not None:
                told = _identify(unit, row, person, account)
            case "identity":
                raise Refused("person_required", "Say in `person` whose account it is.", 422)
            case _ if person is not None or account is not None:
                raise Refused("no_person_asked", "This is not about who somebody is.", 422)
            case "sync_conflict":
                told = choose(unit, row, choice)
            case "unmapped_value" | "mapping_error" if choice is not None:
                told = choose(unit, row, choice)
            case "duplicate":
                told = same_or_not(unit, row, choice)
            case "push_unknown":
                outbox.settle(unit.tx, str(row["subject"]))
            case "connection" if row["subject"]:
                connections.resume(unit, row["subject"])
            case "mass_deletion":
                sweep.believe(unit, row["data"]["connection"], row["data"]["object"])
            case _ if is_step(row):
                told = let_go_on(unit, row, data)
        close(unit, row, "resolved", actor, comment or _words(told) or "resolved", told)


def waive(unit: Unit, id: str, actor: Actor, comment: str | None) -> None:
    """Close an exception as accepted for what it is; a reason is required. A waived sync conflict
    leaves both sides as they are, and neither is told of the other; so does a waived value that
    could not be mapped. Waiving `mass_deletion` says that those records are there, though no list
    shows them. Raises Refused; LookupError.
    """
    if not (comment or "").strip():
        raise Refused("comment_required", "Say in `comment` why this may stay as it is.", 422)
    row = opened(unit, id)
    with unit.acting(actor, correlation=unit.correlation):
        if row["type"] == "duplicate":
            keep_apart(unit, row)
        elif row["type"] == "sync_conflict" or row["data"].get("field"):
            agree_to_differ(unit, row)
        elif row["type"] == "mapping_error" and row["data"].get("object"):
            about = (row["data"][name] for name in ("connection", "object", "external_id"))
            records.let_go(unit.tx, [records.lane_of(*about)])
        elif row["data"].get("about") == questions.EXCLUDE:
            deciders.let_everybody_in(unit, row, actor)
        elif row["type"] == "mass_deletion":
            sweep.excuse(unit, row["data"]["connection"], row["data"]["object"])
        close(unit, row, "waived", actor, str(comment), {})


def retry(unit: Unit, id: str, actor: Actor, *, comment: str | None = None) -> str | None:
    """Try again what failed, and close the exception; if it fails again, it comes back. The answer
    is the stage to wake, if any. Raises Refused; LookupError.
    """
    row = opened(unit, id)
    with unit.acting(actor, correlation=unit.correlation):
        stage = again(unit, row)
        close(unit, row, "resolved", actor, comment or "tried again", {"retried": True})
    return stage


def retry_push(unit: Unit, push: str, actor: Actor) -> None:
    """Send a failed or unknown push again, and close what was open about it. Raises Refused."""
    before = outbox.push(unit.tx, push)
    if not outbox.retry(unit.tx, push):
        raise Refused("not_retryable", "Only a failed or unknown push can be tried again.")
    _settle(unit, push, actor)
    group = before["trouble"] if before else None
    if group and not outbox.like(unit.tx, group):  # it was the last of those that failed of this
        with unit.acting(actor, correlation=unit.correlation):
            for id in store.open_in(unit.tx, [group]):
                row = store.exception(unit.tx, id)
                if row is not None:
                    close(unit, dict(row), "resolved", actor, "tried again", {"retried": True})


def replay_delivery(unit: Unit, delivery: str, actor: Actor) -> str | None:
    """Take a stored delivery in again, and close what was open about it; the copy's id, None if
    there is no such delivery.
    """
    copy = inbox.replay(unit.tx, delivery)
    if copy is not None:
        _settle(unit, delivery, actor)
    return copy


def _settle(unit: Unit, subject: str, actor: Actor) -> None:
    with unit.acting(actor, correlation=unit.correlation):
        for row in store.open_of(unit.tx, subject):
            if not row["data"].get("group"):  # it stands for others too
                close(unit, dict(row), "resolved", actor, "tried again", {"retried": True})


def _words(told: Mapping[str, Any]) -> str:
    if "person" in told:
        return f"{told['name']} in {told['connection']} is {told['person']}"
    if "merged" in told:
        return f"merged into {told['choose']}"
    if "choose" not in told:
        return ""
    return f"{told['field']}: {told['choose']}" if "field" in told else "kept apart"


# --------------------------------------------------------------------------------- who somebody is


def _identify(unit: Unit, row: Row, person: str | None, account: str | None) -> Row:
    """Somebody says who it is; what waits for that goes on (see `hub.flow.people.mend`), this
    record at once.
    """
    data = row["data"]
    connection, who = str(data.get("connection")), str(data.get("who") or "")
    outward = data.get("direction") == "out"
    if not who or (person if outward else account) is not None:
        wanted = "`account`: what they are called there" if outward else "`person`: who of us"
        raise Refused("no_person_asked", f"Say {wanted}." if who else "No name is asked for.", 422)
    party, name = (who, str(account)) if outward else (str(person), who)
    found = work.load(unit.tx, "party", [party]).get(party)
    if found is None:
        raise Refused("person_unknown", "There is no such person here any more.", 422)
    try:
        people.identify(unit, connection, name, found)
    except LookupError as error:
        raise Refused("name_unclear", str(error), 422) from error
    if row["type"] == "unmapped_value":
        map_again(unit, row)
    return {"connection": connection, "name": name, "person": found["person"] or found["id"]}

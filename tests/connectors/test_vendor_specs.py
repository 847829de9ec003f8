"""Every connector whose vendor describes its API, and its sandbox, held against that description,
so that the two cannot drift from the truth together.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import cache
from typing import Any
from unittest import mock

import pytest

from connectors.github import changes
from connectors.sdk import Change, Connector, Outcome, Subscriber
from connectors.sdk.conformance.kit import Stage, objects_of
from connectors.sdk.faults import Exchange
from connectors.sdk.sandbox import Inapplicable
from hub.registry import connector_classes
from tests.connectors.deeds import DEEDS, HUB, KEEP
from tests.connectors.described import (
    DESCRIBED,
    UNDESCRIBED,
    description,
    findings,
    operations,
)


def play(cls: type[Connector], object: str) -> list[Exchange]:
    """Everything that the connector declares of one object, once."""
    with closing(Stage(cls, object)) as stage:
        stage.http.faults.keep = KEEP
        connector, drill, spec = stage.connector(), stage.drill, stage.spec
        connector.check()
        connector.discover(object)
        drill.seed(object, 3)
        stage.pull()

        def push(change: Callable[[], Change], outcome: Outcome = Outcome.OK) -> None:
            try:
                meant = change()
            except Inapplicable:
                return
            [result] = connector.push([meant])
            assert result.outcome is outcome, result.message
            if meant.op == "create" and spec.find:
                connector.find(object, [meant])

        if "create" in spec.push:
            push(lambda: drill.creation(object, "k-1"))
            push(lambda: drill.refusal(object, "k-2"), Outcome.REJECTED)
        if "update" in spec.push:
            record = stage.one()
            push(lambda: drill.alteration(record, "k-3"))
        if "delete" in spec.push:
            gone = stage.one()
            push(
                lambda: Change(
                    "delete", object, "k-4", {}, gone.id, gone.address, gone.parent, gone.data
                )
            )
        if spec.fetch:
            record = stage.one()
            connector.fetch(object, [record.id])
            drill.remove(object, record.id)
            connector.fetch(object, [record.id])
        if issubclass(cls, Subscriber):
            connector.unsubscribe(connector.renew(connector.subscribe(HUB)))
        return stage.http.faults.exchanges


@cache
def played(name: str) -> list[Exchange]:
    """A whole round of one connector: everything it declares, and what only it can do."""
    cls = connector_classes()[name]
    return [one for object in objects_of(cls) for one in play(cls, object)] + DEEDS[name]()


@pytest.mark.parametrize("name", DESCRIBED)
def test_requests_and_answers_are_those_of_the_vendors_description(name: str) -> None:
    description(name)
    assert findings(name, played(name)) == []
    assert len(operations(name, played(name))) >= DESCRIBED[name].least


def test_every_connector_is_held_against_a_description_or_says_why_not() -> None:
    ours = {
        name
        for name, cls in connector_classes().items()
        if cls.__module__.startswith("connectors.")
    }
    assert ours <= DESCRIBED.keys() | UNDESCRIBED.keys()
    assert set(DEEDS) == set(DESCRIBED)


# ----------------------------------------------------------------------------- that it would notice


def with_body(name: str) -> Exchange:
    """A write of JSON that is described and was not refused."""
    told = map(DESCRIBED[name].adapt, played(name))
    return next(
        one
        for one in told
        if one.body.startswith(b"{")
        and one.status < 400
        and description(name).operation(one) is not None
    )


def wrong_query(one: Exchange) -> Exchange:
    return replace(one, query=f"{one.query}&sort_by=age")


def wrong_body(one: Exchange) -> Exchange:
    return replace(one, body=b"[1]")


def wrong_value(one: Exchange) -> Exchange:
    return replace(one, body=json.dumps(dict.fromkeys(json.loads(one.body), 17)).encode())


def wrong_path(one: Exchange) -> Exchange:
    return replace(one, path=f"{one.path}/surprise/surprise")


def wrong_method(one: Exchange) -> Exchange:
    return replace(one, method="PATCH" if one.method != "PATCH" else "PUT")


def wrong_answer(one: Exchange) -> Exchange:
    return replace(one, answer=b'"done"')


@pytest.mark.parametrize("name", DESCRIBED)
@pytest.mark.parametrize(
    ("seed", "told"),
    [
        (wrong_query, "query sort_by: no such parameter"),
        (wrong_body, "is not of type 'object'"),
        (wrong_value, "17 is not of type"),
        (wrong_path, "no such path"),
        (wrong_method, "no such method"),
        (wrong_answer, "'done' is not of type 'object'"),
    ],
)
def test_a_seeded_bug_is_found(name: str, seed: Callable[[Exchange], Exchange], told: str) -> None:
    description(name)
    one = with_body(name)
    before = set(description(name).judge(one))
    added = set(description(name).judge(seed(one))) - before
    assert any(told in finding for finding in added), added


def test_parameters_that_github_would_ignore_are_found() -> None:
    description("github")

    def wrong(path: str, by: str) -> dict[str, Any]:
        return {"state": "all", "sort": by, "direction": "asc"}

    with mock.patch.object(changes, "order", wrong):
        exchanges = play(connector_classes()["github"], "comment")
    told = "GET /repos/{owner}/{repo}/issues/comments: query state: no such parameter"
    assert findings("github", exchanges) == [told]


def test_an_allowance_that_nothing_needs_is_found() -> None:
    told = description("github").findings([], {"GET /elsewhere": "it was there once"})
    assert told == ["Allowed and not needed: GET /elsewhere"]

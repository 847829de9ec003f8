"""From a sender to a task: the hub's own endpoints, inbox and mapping, with a sender that repeats
itself, comes late, and deletes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from connectors.webhook.sandbox import WebhookSandbox
from tests.hub.flow.world import World, make_world
from tests.hub.served import HubServed

MAPPING = """
mapping: order
connection: shop
object: order
entity: task
direction: in
fields:
  title: $.title
  status: {from: $.status, values: {open: open, packing: in_progress, done: done}}
"""


@pytest.fixture
def shop() -> WebhookSandbox:
    return WebhookSandbox("cloudevents", "hmac", "binary")


@pytest.fixture
def world(tmp_path: Path, database_url: str, shop: WebhookSandbox) -> Iterator[World]:
    with ExitStack() as closing:
        made = make_world(tmp_path, database_url, {"shop": shop}, {"mappings/order.yaml": MAPPING})
        closing.callback(made.hub.database.close)
        closing.callback(made.hub.live.close)
        served = HubServed(made.hub).start()
        closing.callback(served.stop)
        shop.webhook_url = f"http://127.0.0.1:{served.port}/webhooks/shop"
        yield made


def test_orders_become_tasks_and_follow_their_orders(shop: WebhookSandbox, world: World) -> None:
    id = shop.place("Coffee, 2 kg")
    shop.change(id, status="packing")
    world.work()
    assert (world.task["title"], world.task["status"]) == ("Coffee, 2 kg", "in_progress")
    assert world.task["url"] == f"https://shop.sandbox.test/orders/{id}"

    late, shop.webhook_url = shop.webhook_url, None
    shop.change(id, status="open")  # this one does not get through yet
    shop.webhook_url = late
    shop.change(id, status="done")
    world.work()
    assert world.task["status"] == "done"
    shop.retry()  # the older state comes last
    world.work()
    assert world.task["status"] == "done"
    assert {tuple(one.statuses) for one in shop.messages} == {(202,)}
    assert world.exceptions() == []
    assert world.pushes() == []

    shop.delete(id)
    world.work()
    (link,) = world.links()
    assert link["remote_deleted"]


def test_an_event_nobody_expected_is_shown_to_a_person(shop: WebhookSandbox, world: World) -> None:
    assert shop.send("invoice.paid", {"id": "I-1"}).statuses == [202]
    world.work()
    (trouble,) = world.exceptions()
    assert trouble["type"] == "unparseable"
    assert "invoice.paid" in trouble["detail"]
    assert world.tasks() == []


def test_a_stranger_changes_nothing(shop: WebhookSandbox, world: World) -> None:
    shop.place()
    world.work()
    genuine = shop.delivery(shop.messages[0], datetime.now(UTC))
    forged = {**genuine.headers, "ce-type": "order.deleted"}
    answer = httpx.post(genuine.url, content=genuine.body, headers=forged, trust_env=False)
    assert answer.status_code == 401
    world.work()
    assert len(world.tasks()) == 1
    assert not world.links()[0]["remote_deleted"]

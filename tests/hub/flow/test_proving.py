"""Who may write to a connection: refused without a proof, shown where none is wanted, and not there
at all where a connection only pulls.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.sdk import Receiver
from connectors.webhook.connector import WebhookConnector
from hub.api.connection_state import states
from hub.cli.connections import _connection
from hub.cli.doctor import _deliveries
from hub.flow.proving import proving, unsigned
from hub.flow.subscriptions import take_secret
from hub.intake.endpoints import LiveEndpoints
from hub.store import access
from hub.store import tables as t
from hub.workspace import load
from tests.hub.flow.world import CONNECTORS, World, make_world
from tests.hub.served import HubServed
from tests.webhooks.intake_support import refusal

BLOCKS: dict[str, dict[str, Any]] = {
    "github": {"auth": {"token": "env:T"}, "repositories": ["acme/ops"]},
    "redmine": {"base_url": "https://redmine.test", "auth": {"key": "env:T"}},
    "slack": {"auth": {"token": "env:T"}},
    "webhook": {"scheme": "stripe", "objects": {"thing": {"id": "$.id"}}},
}


def said(connector: str, **more: Any) -> str:
    block = {"connector": connector, **BLOCKS[connector], **more}
    return yaml.safe_dump({"name": "acme-ops", "connections": {"desk": block}})


def findings(connector: str, **more: Any) -> list[str]:
    loaded = load({"hub.yaml": said(connector, **more)}, CONNECTORS, None)
    return [str(one) for one in loaded.findings if "genuine" in str(one) or "anybody" in str(one)]


@pytest.mark.parametrize("connector", BLOCKS)
def test_a_connection_that_could_tell_nothing_genuine_does_not_load(connector: str) -> None:
    for webhook in ({}, {"webhook": {}}, {"webhook": {"unsigned": False}}):
        (found,) = findings(connector, **webhook)
        assert "error: 'desk' takes in webhooks but could not tell a genuine one." in found
        assert "webhook: {secret: env:DESK_HOOK}" in found
        assert "receive: false" in found


@pytest.mark.parametrize("connector", BLOCKS)
def test_a_token_alone_proves_nothing_where_the_vendor_signs(connector: str) -> None:
    (found,) = findings(connector, webhook={"token": "env:HOOK"})
    assert "does not prove them by `token` here. Write webhook: {secret:" in found


@pytest.mark.parametrize("connector", BLOCKS)
def test_with_a_secret_or_without_an_address_it_loads(connector: str) -> None:
    assert findings(connector, webhook={"secret": "env:HOOK"}) == []
    assert findings(connector, webhook={"receive": False}) == []
    (found,) = findings(connector, webhook={"unsigned": True})
    assert "warning: 'desk' takes deliveries from anybody" in found


def test_what_counts_depends_on_the_scheme() -> None:
    assert findings("webhook", scheme="token", webhook={"token": "env:HOOK"}) == []
    assert findings("webhook", scheme="asana", webhook={"token": "env:HOOK"}) == []
    google = {"scheme": "google-oidc", "audience": "https://hub.test", "account": "a@b.test"}
    assert findings("webhook", **google) == []
    assert findings("webhook", scheme="github", webhook={"token": "env:HOOK"})


# --------------------------------------------------------------------------------- in a running hub

BODY = b'{"events":[{"action":"changed","resource":{"gid":"1","resource_type":"task"}}]}'


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., tuple[World, HubServed]]]:
    with ExitStack() as closing:

        def begin(*texts: str) -> tuple[World, HubServed]:
            url = f"sqlite:///{tmp_path / 'hub.db'}"
            world = make_world(tmp_path, url, {})
            closing.callback(world.hub.database.close)
            closing.callback(world.hub.live.close)
            world.env.update(T="ghp_" + "x" * 36, HOOK="a-secret-of-the-hook")
            world.apply({"hub.yaml": texts[0]})
            served = HubServed(world.hub)
            served.start()
            closing.callback(served.stop)
            return world, served

        yield begin


def test_a_connection_that_only_pulls_has_no_address(serve: Callable[..., Any]) -> None:
    world, served = serve(said("github", webhook={"receive": False}))
    for path in ("/webhooks/desk", "/webhooks/desk/anything"):
        assert refusal(served.post(path), 404) == "connection_unknown"
    assert served.client.head("/webhooks/desk").status_code == 404
    assert proving(world.hub.live.current(), "desk") == "not taken"


def test_what_needs_no_proof_is_marked_everywhere(serve: Callable[..., Any]) -> None:
    world, served = serve(said("webhook", webhook={"unsigned": True}))
    assert served.post("/webhooks/desk", BODY).status_code == 202
    (row,) = world.all(t.deliveries)
    assert row["verdict"] == "unsigned"
    snapshot = world.hub.live.current()
    assert unsigned(snapshot) == ["desk"]
    (line,) = [one for one in _deliveries(world.hub) if one.check == "deliveries desk"]
    assert (line.status, line.detail[:23]) == ("warn", "Are taken from anybody,")
    with world.hub.database.read() as tx:
        (state,) = states(tx, snapshot, world.hub.clock())
    assert (state.unsigned, state.deliveries) == (True, "unsigned")
    assert _connection_line(world)["unsigned"] is True


def _connection_line(world: World) -> dict[str, Any]:
    with world.hub.database.read() as tx:
        return _connection(tx, world.hub.live.current(), "desk")


def test_with_a_secret_it_is_signed_and_a_stranger_is_refused(serve: Callable[..., Any]) -> None:
    world, served = serve(said("webhook", webhook={"secret": "env:HOOK"}))
    assert refusal(served.post("/webhooks/desk", BODY), 401) == "signature_invalid"
    assert proving(world.hub.live.current(), "desk") == "signed"
    assert not world.all(t.deliveries)


def test_asanas_secret_is_kept_and_good_at_once(serve: Callable[..., Any]) -> None:
    """The handshake comes while Asana is told the address; its first event right after."""
    world, served = serve(said("webhook", scheme="asana", webhook={"token": "env:HOOK"}))
    path = "/webhooks/desk/a-secret-of-the-hook"
    for secret in ("b537207f20cbfa02357cf448134da559", "0123456789abcdef0123456789abcdef"):
        signed = {"x-hook-signature": hmac.new(secret.encode(), BODY, "sha256").hexdigest()}
        assert refusal(served.post(path, BODY, headers=signed), 401) == "signature_invalid"
        offer = {"x-hook-secret": secret}
        assert served.post("/webhooks/desk", b"", headers=offer).status_code == 401
        answer = served.post(path, b"", headers=offer)
        assert (answer.status_code, answer.headers["x-hook-secret"]) == (200, secret)
        assert served.post(path, BODY, headers=signed).status_code == 202
    with world.hub.database.read() as tx:
        assert access.secret_names(tx) == ["desk.webhook"]
    assert len(world.all(t.deliveries)) == 2  # each is good for its own, and none took a place


def test_nobody_hands_a_secret_to_a_connection_that_awaits_none(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = serve(said("webhook", webhook={"secret": "env:HOOK"}))

    def busy() -> None:
        raise AssertionError("A stranger made the hub write.")

    monkeypatch.setattr(world.hub.database, "write", busy)
    with pytest.raises(PermissionError):
        take_secret(world.hub, "desk", "b537207f20cbfa02357cf448134da559")


@pytest.mark.parametrize("token", [False, True])
def test_a_secret_is_handed_over_at_an_address_with_a_token_only(
    serve: Callable[..., Any], token: bool
) -> None:
    """Whoever knows the name of a connection could else hand theirs over while it registers."""
    webhook = {"subscribe": True, **({"token": "env:HOOK"} if token else {})}
    world, _ = serve(said("github", webhook=webhook))
    endpoints = LiveEndpoints(world.hub)
    endpoints.refresh()
    endpoint = endpoints.get("desk")
    assert endpoint is not None
    assert (endpoint.on_secret is not None) is token


def test_a_connector_that_cannot_prepare_keeps_no_other_from_taking_deliveries(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = serve(said("webhook", webhook={"secret": "env:HOOK"}))

    def fail(self: Receiver) -> None:
        raise KeyError("a bug of one connector")

    monkeypatch.setattr(WebhookConnector, "prepare", fail)
    endpoints = LiveEndpoints(world.hub)
    endpoints.refresh()
    endpoints.prepare()
    endpoint = endpoints.get("desk")
    assert endpoint is not None
    assert endpoint.out == ""

"""A secret is changed while the hub runs: no delivery is lost, and what is missing is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.testing import Result

from hub.intake.intake import Intake
from tests.hub.cli.test_listening import NEW, OLD, body, heard, intake  # noqa: F401 - fixtures

Read = Callable[..., Any]
Run = Callable[..., Result]


def say(folder: Path, secret: Any) -> None:
    """Have the connection say this under `webhook.secret`."""
    file = folder / "hub.yaml"
    hub = yaml.safe_load(file.read_text())
    hub["connections"]["github"]["webhook"] = {"secret": secret}
    file.write_text(yaml.safe_dump(hub))


def settled(intake: Intake) -> None:  # noqa: F811
    intake.settle()
    intake.endpoints.tell()


def test_a_secret_that_the_running_hub_lacks_does_not_stop_the_others(
    connected: Path,
    body: Path,  # noqa: F811
    intake: Intake,  # noqa: F811
    run: Run,
    read: Read,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NEW")
    say(connected, ["env:NEW", "env:OLD", "secret:later"])
    run("apply")
    settled(intake)
    assert run("sign", "github", body, "--send").stdout.startswith("202 ")
    (told,) = read("exceptions", "--type", "connection")
    assert told["title"] == "github lacks one of its webhook secrets"
    assert "hub.yaml:" in told["detail"]
    assert "variable NEW is not set" in told["detail"]
    assert "hub secret set later" in told["detail"]
    (shown,) = read("connections")
    assert "variable NEW is not set" in shown["webhook_trouble"]
    assert "variable NEW is not set" in run("connections").stderr
    assert "variable NEW is not set" in run("connections", "show", "github").stdout
    assert "variable NEW is not set" in run("doctor", code=0).stdout
    assert "variable NEW is not set" in run("listen", "github", "--for", "1s").stderr
    # a stored secret counts at once, a variable from the next start on
    run("secret", "set", "later", input="kept-in-the-hub")
    monkeypatch.setenv("NEW", NEW)
    settled(intake)
    assert read("exceptions", "--type", "connection") == []
    assert OLD not in json.dumps([told, shown])


def test_a_connection_that_cannot_be_built_tells_its_senders_to_come_back(
    connected: Path,
    body: Path,  # noqa: F811
    intake: Intake,  # noqa: F811
    run: Run,
    read: Read,
) -> None:
    curl = run("sign", "github", body, "--json").stdout
    say(connected, "secret:later")
    run("apply")
    settled(intake)
    request = json.loads(curl)
    answer = httpx.post(request["url"], headers=request["headers"], content=body.read_bytes())
    assert (answer.status_code, answer.json()["code"]) == (503, "connection_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "secret" not in answer.text
    intake.settle()
    (told,) = read("exceptions", "--type", "connection")
    assert told["title"] == "github takes no deliveries"
    assert "hub secret set later" in told["detail"]
    assert "hub secret set later" in run("connections").stderr
    assert "hub secret set later" in run("doctor", code=1).stdout
    refused = read("connections", "show", "github")["refusals"][0]
    assert (refused["code"], refused["part"]) == ("connection_unavailable", "route")
    assert "hub secret set later" in refused["reason"]
    run("secret", "set", "later", input=NEW)
    settled(intake)
    answer = httpx.post(request["url"], headers=request["headers"], content=body.read_bytes())
    assert answer.status_code == 202
    assert read("exceptions", "--type", "connection") == []
    assert "REFUSED  connection_unavailable" in heard(run, intake, last=3)

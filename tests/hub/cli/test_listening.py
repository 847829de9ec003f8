"""`hub listen` and `hub sign`: an integrator finds out why nothing comes, and tests the address."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.testing import Result

from hub import heartbeat, serve
from hub.cli.session import opened
from hub.flow.bring_in import bring_in
from hub.flow.intake import parse_deliveries
from hub.intake.alone import taking_deliveries
from hub.intake.intake import Intake
from tests.hub.cli.test_deliveries import ISSUE

Read = Callable[..., Any]
Run = Callable[..., Result]
NEW, OLD = "the-new-one-of-two", "the-old-one-of-two"


@pytest.fixture
def body(connected: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An issue as a file; the connection is changing its secret from OLD to NEW."""
    monkeypatch.setenv("NEW", NEW)
    monkeypatch.setenv("OLD", OLD)
    file = connected / "hub.yaml"
    hub = yaml.safe_load(file.read_text())
    hub["connections"]["github"]["webhook"] = {"secret": ["env:NEW", "env:OLD"]}
    file.write_text(yaml.safe_dump(hub))
    made = connected / "issue.json"
    made.write_text(json.dumps(ISSUE))
    return made


@pytest.fixture
def intake(body: Path, run: Run) -> Iterator[Intake]:
    """An intake that runs, as `hub up` has one."""
    run("apply")
    sock = serve.listen("127.0.0.1", 0)
    with (
        opened() as hub,
        serve.alone(hub.settings.home),
        taking_deliveries(hub, sock, serve.address_of(sock)) as running,
    ):
        yield running


def address() -> str:
    with opened() as hub:
        found = heartbeat.address(hub)
    assert found
    return f"{found}/webhooks/github"


def heard(run: Run, intake: Intake, last: int = 1) -> str:
    intake.settle()
    return run("listen", "github", "--last", last, "--for", "1s").stdout


def process() -> None:
    with opened() as hub:
        while parse_deliveries(hub) + bring_in(hub):
            pass


def test_a_signed_delivery_is_taken_and_each_check_is_told(
    body: Path, intake: Intake, run: Run
) -> None:
    sent = run("sign", "github", body, "--delivery-id", "guid-1", "--send").stdout
    assert sent.startswith("202 ")
    process()
    shown = heard(run, intake)
    assert "signature   right under secret 1 of 2" in shown
    assert "the first one with the id guid-1" in shown
    assert "parsed      issue 31" in shown
    assert "→ tsk_" in shown
    assert "event       task.created tsk_" in shown
    again = run("sign", "github", body, "--delivery-id", "guid-1", "--send").stdout
    assert again.startswith("200 ")
    assert "duplicate  POST /webhooks/github  known already" in heard(run, intake)


def test_the_old_secret_of_two_is_told_from_the_new_one(
    body: Path, intake: Intake, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEW", OLD)
    run("sign", "github", body, "--send")
    monkeypatch.setenv("NEW", NEW)
    assert "right under secret 2 of 2" in heard(run, intake)


def test_a_refusal_tells_the_check_and_the_remedy_and_no_secret(
    body: Path, intake: Intake, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEW", "somebody-elses")
    refused = run("sign", "github", body, "--send", code=1)
    assert refused.stdout.startswith("401 ")
    assert "hub listen github" in refused.stderr
    monkeypatch.setenv("NEW", NEW)
    shown = heard(run, intake)
    assert "REFUSED  signature_invalid  from 127.0.0.1" in shown
    assert "encoding    ok\n          signature   FAILED: " in shown
    assert "what to do" in shown
    for secret in (NEW, OLD, "somebody-elses", "sha256="):
        assert secret not in shown + refused.stdout


def test_what_is_sent_elsewhere_shows_where_somebody_waits_for_it(
    body: Path, intake: Intake, read: Read, run: Run
) -> None:
    target = address()
    httpx.post(f"{target}/guessed", content=b"{}")
    httpx.get(target)
    intake.settle()
    lines = run("listen", "github", "--last", "2", "--for", "1s", "--json").stdout.splitlines()
    token, method = map(json.loads, lines)
    assert (token["part"], token["path"]) == ("token", "/webhooks/github/***")
    assert "Leave away" in token["remedy"]
    assert (method["what"], method["code"]) == ("refused", "method_not_allowed")


def test_the_printed_curl_is_accepted_as_it_stands(body: Path, intake: Intake, run: Run) -> None:
    printed = run("sign", "github", body, "--header", "X-Note: it's fine").stdout
    assert NEW not in printed
    answer = subprocess.run(  # noqa: S602 - what is printed is for a shell
        f"{printed.strip()} --silent --show-error", shell=True, capture_output=True, text=True,
        check=True, timeout=60,
    ).stdout  # fmt: skip
    assert json.loads(answer)["status"] == "accepted"


def test_capturing_while_listening_stores_and_ends(
    body: Path, intake: Intake, run: Run, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub.cli.following import Watch

    sent: list[str] = []

    def send_once(self: Watch) -> bool:
        if sent:
            return False
        intake.settle()
        sent.append(run("sign", "github", body, "--send").stdout)
        return True

    monkeypatch.setattr(Watch, "wait", send_once)
    shown = run("listen", "github", "--capture")
    assert "captured, and not processed until it is replayed" in shown.stdout
    assert "hub deliveries replay --connection github --status captured" in shown.stderr
    assert [one["status"] for one in read("deliveries")] == ["captured"]
    intake.settle()
    run("sign", "github", body, "--send")
    assert read("deliveries")[0]["status"] == "accepted"
    assert read("connections", "show", "github")["capturing"] is False


# ---------------------------------------------------------------------------- where none is running


def test_where_no_hub_runs_that_is_said(connected: Path, run: Run) -> None:
    said = run("listen", "github", code=1).stderr
    assert "hub up" in said
    assert "--serve" in said
    unreached = run("sign", "github", "-", "--send", code=1, input="{}").stderr
    assert "Is a hub running there?" in unreached


def test_deliveries_are_taken_without_a_hub(
    body: Path, run: Run, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub.cli.following import Watch

    run("apply")
    sent: list[str] = []

    def send_once(self: Watch) -> bool:
        if len(sent) == 1:
            return len(sent.pop()) < 0
        sent.append(run("sign", "github", body, "--send").stdout)
        assert "leave --serve away" in run("listen", "github", "--serve", code=2).stderr
        return True

    monkeypatch.setattr(Watch, "wait", send_once)
    shown = run("listen", "github", "--serve", "--port", "0")
    assert "accepted" in shown.stdout
    assert "of this machine alone" in shown.stderr
    with opened() as hub:
        assert heartbeat.address(hub) is None
    assert [one["status"] for one in read("deliveries")] == ["accepted"]


def test_wrong_use_is_met_with_what_to_write(connected: Path, body: Path, run: Run) -> None:
    run("apply")
    assert "NAME:VALUE" in run("sign", "github", body, "--header", "nonsense", code=2).stderr
    assert "http://" in run("sign", "github", body, "--url", "hub.test", code=2).stderr
    assert "no connection 'nobody'" in run("sign", "nobody", body, code=1).stderr
    assert "missing.json" in run("sign", "github", "missing.json", code=1).stderr
    assert "30s, 10m" in run("listen", "github", "--help").stdout
    assert "30s" in run("listen", "github", "--for", "soon", code=2).stderr


def test_a_slow_signature_shows_its_age() -> None:
    """Found without knowing where a scheme keeps its time."""
    from connectors.sdk import Delivery
    from connectors.slack.connector import SlackConnector
    from hub.flow.judged_again import _timestamp

    settings = SlackConnector.config.model_validate(
        {"auth": {"token": "xoxb-not-real"}, "webhook": {"secret": "not-real-either"}}
    )
    slack = SlackConnector("slack", settings)
    sent = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    signed = slack.sign(Delivery("POST", "https://hub.test/", {}, b"{}", sent))
    for seconds, said in ((3, "3 s old"), (-8, "8 s ahead of our clock")):
        came = Delivery(
            "POST", signed.url, signed.headers, signed.body, sent + timedelta(seconds=seconds)
        )
        assert _timestamp(slack, came) == [("timestamp", f"{said}; 300 s are tolerated")]


def test_a_connection_without_proof_is_sent_to_by_a_plain_request(
    connected: Path, run: Run, read: Read
) -> None:
    file = connected / "hub.yaml"
    hub = yaml.safe_load(file.read_text())
    hub["connections"]["github"]["webhook"] = {"unsigned": True}
    file.write_text(yaml.safe_dump(hub))
    run("apply")
    made = read("sign", "github", "-", input="{}")
    assert made["headers"] == {"content-type": "application/json"}
    told = run("sign", "github", "-", input="{}")
    assert told.stdout.startswith("curl --request POST")
    assert "put aside: The header X-GitHub-Event is missing" in told.stderr
    assert "Add --header 'x-github-event: …'" in told.stderr

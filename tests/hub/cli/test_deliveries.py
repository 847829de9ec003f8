"""Deliveries listed, followed and replayed; refused requests; capture and what is made of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import Result

from hub.cli.session import opened
from hub.flow.intake import parse_deliveries
from hub.store import inbox, notices
from tests.hub.store.test_inbox import incoming
from tests.hub.store.test_notices import notice

Read = Callable[..., Any]
Run = Callable[..., Result]

ISSUE = {
    "action": "opened",
    "issue": {
        "id": 31, "number": 7, "title": "Order laptops", "body": "now", "state": "open",
        "html_url": "https://github.com/acme/ops/issues/7", "labels": [], "assignees": [],
        "url": "https://api.github.com/repos/acme/ops/issues/7", "user": {"login": "dmeier"},
        "created_at": "2026-03-02T09:00:00Z", "updated_at": "2026-03-02T09:00:00Z",
        "closed_at": None, "milestone": None, "state_reason": None,
    },
    "repository": {"id": 1, "full_name": "acme/ops", "name": "ops", "owner": {"login": "acme"}},
}  # fmt: skip


def arrive(*ids: str, body: str = "[", **more: Any) -> list[str]:
    """Deliveries as intake stores them."""
    with opened() as hub, hub.database.write() as tx:
        batch = [incoming(id, body, **more) for id in ids]
        return [one.id for one in inbox.store(tx, batch)]


def process() -> None:
    with opened() as hub:
        while parse_deliveries(hub):
            pass


def test_deliveries_are_narrowed_down_and_come_in_pages(
    connected: Path, run: Run, read: Read
) -> None:
    old = datetime.now(UTC) - timedelta(days=3)
    (first,) = arrive("guid-old", received_at=old)
    second, third = arrive("guid-2", "guid-3", received_at=datetime.now(UTC))

    def listed(*words: str) -> list[str]:
        return [one["id"] for one in read("deliveries", *words)]

    assert listed("--since", "2d") == [third, second]
    assert listed("--until", "2d") == [first]
    assert listed("--since", f"{old:%Y-%m-%d}", "--text", "GUID-OLD") == [first]
    assert listed("--verdict", "altered") == []
    page = run("deliveries", "--limit", "2")
    assert f"--before {second}" in page.stderr
    assert listed("--before", second) == [first]
    assert "2h, 3d" in run("deliveries", "--since", "tomorrow", code=2).stderr
    assert "genuine" in run("deliveries", "--verdict", "fine", code=2).stderr


def test_a_body_is_laid_out_for_reading_and_given_as_it_came(connected: Path, run: Run) -> None:
    body = '{"n": 1.50, "big": 12345678901234567890123, "a": [], "t": "x\\n{\\"", "n": 2}'
    (id,) = arrive("d-1", body=body)
    shown = run("deliveries", "show", id).stdout
    assert '{\n  "n": 1.50,\n  "big": 12345678901234567890123,\n  "a": [],' in shown
    assert '"t": "x\\n{\\"",\n  "n": 2\n}' in shown
    assert run("deliveries", "show", id, "--raw").stdout_bytes == body.encode()


def test_several_are_replayed_by_id_or_none(connected: Path, run: Run, read: Read) -> None:
    made = arrive("d-1", "d-2")
    copies = read("deliveries", "replay", *made)
    assert [one["replay_of"] for one in copies] == made
    assert "dlv_9" in run("deliveries", "replay", made[0], "dlv_9", code=1).stderr
    assert len(read("deliveries")) == 4
    run("deliveries", "replay", made[0], "--status", "captured", code=2)
    assert "say which" in run("deliveries", "replay", code=2).stderr


def test_a_filter_is_counted_asked_about_and_replayed_once(
    connected: Path, run: Run, read: Read
) -> None:
    arrive(*(f"d-{number}" for number in range(3)), received_at=datetime.now(UTC))
    process()
    words = ("deliveries", "replay", "--status", "quarantined", "--since", "2h")
    counted = read(*words, "--dry-run")
    assert (counted["matched"], counted["replayed"]) == (3, [])
    refused = run(*words, code=2).stderr
    assert "3 deliveries" in refused
    assert "--yes" in refused
    done = run(*words, "--yes")
    assert "Queued 3" in done.stdout
    assert "replayed already" in run(*words, "--yes").stderr
    assert [one["replay_of"] is None for one in read("deliveries")] == [False] * 3 + [True] * 3


def test_an_interrupted_replay_goes_on_where_it_stopped(
    connected: Path, run: Run, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub.cli import following
    from hub.process import replays

    made = arrive(*(f"d-{number}" for number in range(5)), received_at=datetime.now(UTC))
    process()
    monkeypatch.setattr(replays.replay, "__kwdefaults__", {"limit": 2})
    words = ("deliveries", "replay", "--status", "quarantined", "--since", "2h", "--yes")
    with monkeypatch.context() as patched:
        patched.setattr(following.Watch, "stopped", property(lambda self: True))
        stopped = read(*words, code=1)
    assert [one["replay_of"] for one in stopped["replayed"]] == made[:2]
    assert "--since 20" in stopped["resume"]  # a moment: 2h ago will be another one
    rest = read(*stopped["resume"].split()[1:])
    assert [one["replay_of"] for one in rest["replayed"]] == made[2:]
    assert "Copy it" in run(*words, "--resume", "x", code=2).stderr


def test_captured_deliveries_are_previewed_drafted_from_and_processed(
    connected: Path, run: Run, read: Read
) -> None:
    (id,) = arrive("d-1", body=json.dumps(ISSUE), capture=True)
    process()
    (listed,) = read("deliveries", "--status", "captured")
    assert (listed["id"], listed["records"]) == (id, 0)
    previewed = read("preview", "github-issue", "--delivery", id)
    assert previewed["title"] == "Order laptops"
    draft = run("mapping", "suggest", "github", "issue", "--delivery", id).stdout
    assert "title" in draft
    assert "Queued 1" in run("deliveries", "replay", "--status", "captured", "--yes").stdout
    process()
    (copy, _) = read("deliveries")
    assert (copy["status"], copy["replay_of"]) == ("processed", id)
    assert read("deliveries", "show", id)["replays"] == [copy["id"]]
    assert copy["id"] in run("deliveries", "show", id).stdout


def test_a_connection_shows_what_it_refused_and_doctor_warns(
    connected: Path, run: Run, read: Read
) -> None:
    now = datetime.now(UTC)
    with opened() as hub, hub.database.write() as tx:
        counted = notices.Count("github", "refused", "signature_invalid", 7, now, now)
        notices.keep(tx, [notice(at=now)], [counted])
    shown = run("connections", "show", "github")
    assert "Refused deliveries: 7" in shown.stdout
    assert "does not match the body" in shown.stdout
    assert "hub sign github FILE" in shown.stderr
    assert "last refused delivery" in run("connections", "check", "github").stderr
    (line,) = [one for one in read("doctor") if one["check"] == "deliveries github"]
    assert line["status"] == "warn"
    assert "does not match" in line["detail"]


def test_capture_is_turned_on_shown_and_off(connected: Path, run: Run, read: Read) -> None:
    assert read("connections", "capture", "github", "--for", "2h")["capturing"] is True
    assert any("captured" in one["detail"] for one in read("doctor"))
    assert read("connections", "capture", "github", "--stop")["capturing"] is False
    assert "15m" in run("connections", "capture", "github", "--for", "long", code=2).stderr


# --------------------------------------------------------------------------------------- following


@pytest.fixture
def tail(connected: Path) -> Iterator[subprocess.Popen[str]]:
    """`hub deliveries tail --json` in a process of its own, which has begun to follow."""
    arrive("d-before")
    code = "import sys; sys.argv[0] = 'hub'; from hub.cli import main; main()"
    words = ("deliveries", "tail", "--json", "--last", "1")
    with subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["delivery_id"] == "d-before"
        yield process
        process.kill()


def test_tail_follows_and_ends_with_ctrl_c(tail: subprocess.Popen[str]) -> None:
    assert tail.stdout is not None
    arrive("d-new", body='{"a": 1}')
    line = json.loads(tail.stdout.readline())
    assert (line["delivery_id"], line["body"]) == ("d-new", '{"a": 1}')
    tail.send_signal(signal.SIGINT)
    out, error = tail.communicate(timeout=60)
    assert (tail.returncode, out, error) == (0, "", "")


def test_tail_ends_when_nobody_reads_along(tail: subprocess.Popen[str]) -> None:
    """Without waiting for the next delivery to find out."""
    assert tail.stdout is not None
    assert tail.stderr is not None
    tail.stdout.close()
    assert tail.wait(timeout=60) == 0
    assert tail.stderr.read() == ""


def test_tail_ends_after_so_many(connected: Path, read: Read, run: Run) -> None:
    (id,) = arrive("d-1")
    line = run("deliveries", "tail", "--last", "5", "--count", "1").stdout
    assert id in line
    assert (
        "no connection 'nobody'"
        in run("deliveries", "tail", "--connection", "nobody", code=1).stderr
    )


def test_lists_tell_copies_from_originals(connected: Path, run: Run, read: Read) -> None:
    run("apply")
    first, second = arrive("guid-1", "guid-2", received_at=datetime.now(UTC))
    process()
    assert "REPLAY" not in run("deliveries").stdout
    copy = read("deliveries", "replay", first)["id"]
    shown = run("deliveries").stdout
    assert f"copy of {first}" in shown
    assert f"replayed as {copy}" in shown
    assert re.search(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ", shown)
    assert [one["id"] for one in read("deliveries", "--not-replayed")] == [copy, second]
    assert read("deliveries")[2]["replays"] == [copy]
    followed = run("deliveries", "tail", "--last", "1", "--count", "1").stdout
    assert f"copy of {first}" in followed
    assert "Checks" in run("deliveries", "show", copy).stdout
    assert f"a replay of {first}" in run("deliveries", "show", copy).stdout


def test_a_name_that_is_none_is_met_with_what_is_near(connected: Path, run: Run) -> None:
    run("apply")
    for words in (["list"], ["tail"], ["replay", "--yes"]):
        said = run("deliveries", *words, "--connection", "githup", code=1).stderr
        assert "There is no connection 'githup' in force. Did you mean 'github'?" in said


def test_counts_alone_are_what_a_dry_run_prints(connected: Path, run: Run) -> None:
    run("apply")
    arrive("guid-1", "guid-2")
    done = run("deliveries", "replay", "--status", "accepted", "--dry-run")
    assert "2 deliveries, received" in done.stdout


def test_since_takes_a_time_of_today(connected: Path, run: Run, read: Read) -> None:
    run("apply")
    arrive("guid-1", received_at=datetime.now(UTC))
    assert len(read("deliveries", "--since", "0:00")) == 1
    assert "a time of today (07:36)" in run("deliveries", "--since", "25:00", code=2).stderr


ORDER = """\
mapping: order
connection: shop
object: order
entity: item
direction: in
fields: {kind: {value: order}, title: $.title, stage: $.state}
"""


def test_deliveries_from_before_a_mapping_are_told_of_when_it_comes(
    connected: Path, run: Run, read: Read
) -> None:
    words: dict[str, Any] = {"connector": "webhook", "webhook": {"unsigned": True}}
    file = connected / "hub.yaml"
    head = file.read_text().split("connections:")[0]
    words["objects"] = {"order": {"id": "$.id"}}
    file.write_text(head + yaml.safe_dump({"connections": {"shop": words}}))
    people = connected / "people.yaml"
    people.write_text(people.read_text().split("identities:")[0])
    run("apply")
    body = json.dumps({"id": 17, "title": "Coffee", "state": "new"})
    (id,) = arrive("guid-1", body=body, connection="shop", received_at=datetime.now(UTC))
    process()
    (became,) = read("deliveries", "show", id)["became"]
    assert became["status"] == "unmapped"
    (connected / "mappings").mkdir(exist_ok=True)
    (connected / "mappings" / "order.yaml").write_text(ORDER)
    said = run("apply").stderr
    assert "1 delivery of the last 24 h spoke of shop's order before it was mapped" in said
    assert "hub deliveries replay --connection shop --status processed --since 24h" in said
    assert "before it was mapped" not in run("apply").stderr

"""docs/webhooks.md is typed from top to bottom, against an intake that listens, and prints what it
shows.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from hub import serve
from hub.cli.session import opened
from hub.flow.bring_in import bring_in
from hub.flow.intake import parse_deliveries
from hub.intake.alone import taking_deliveries
from hub.intake.intake import Intake

Run = Callable[..., Result]
Read = Callable[..., Any]
ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "webhooks.md").read_text("utf-8")
CONSOLE = [
    (block.partition("\n")[0], block.partition("\n")[2])
    for text in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for block in re.split(r"^\$ ", text, flags=re.MULTILINE)
    if block
]
VARYING = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "…"),
    (r"dlv_[0-9a-z]{26}", "dlv_…"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:…"),
    (r"\d\d:\d\d:\d\d", "…"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\dZ", "…"),
    (r"\b[0-9a-f]{64}\b", "…"),
    (r"x-timestamp: \d+", "x-timestamp: …"),
    (r"\d+ s old", "… s old"),
)


def plain(line: str) -> str:
    """A line without what differs from run to run."""
    for pattern, shown in VARYING:
        line = re.sub(pattern, shown, line)
    return line.rstrip(" \\")


@pytest.fixture
def shop(workspace: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Intake]:
    """The workspace of the page, applied, and an intake that takes its deliveries."""
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    sample = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0]
    hub_yaml = workspace / "hub.yaml"
    hub_yaml.write_text(hub_yaml.read_text().split("connections: {}")[0] + block)
    (workspace / "samples").mkdir()
    (workspace / "samples/order.json").write_text(sample)
    monkeypatch.setenv("SHOP_HOOK", "not-a-real-secret-of-a-shop")
    monkeypatch.chdir(workspace)
    run("apply")
    sock = serve.listen("127.0.0.1", 0)
    with (
        opened() as hub,
        serve.alone(hub.settings.home),
        taking_deliveries(hub, sock, serve.address_of(sock)) as intake,
    ):
        yield intake


def process() -> None:
    """What the workers of a running hub do."""
    with opened() as hub:
        while parse_deliveries(hub) + bring_in(hub):
            pass


def test_every_command_of_the_page_prints_what_it_shows(
    shop: Intake, run: Run, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(CONSOLE) > 15
    for command, output in CONSOLE:
        words = shlex.split(command)
        with monkeypatch.context() as patched:
            while "=" in words[0]:
                patched.setenv(*words.pop(0).split("=", 1))
            assert words.pop(0) == "hub", command
            newest = read("deliveries", "--limit", "1")
            words = [newest[0]["id"] if one.startswith("dlv_") else one for one in words]
            if words[0] == "listen":  # it goes on until Ctrl-C; here until it has shown the last
                words += ["--last", "1", "--for", "1s"]
            shop.settle()
            result = run(*words, code=1 if "SHOP_HOOK=another" in command else 0)
        printed = [plain(line) for line in result.stdout.splitlines()]
        for line in map(plain, output.splitlines()):
            assert any(one.startswith(line) for one in printed), f"{command}\n{line}\n{printed}"
        process()
    assert [one["became"][0]["entity"][:4] for one in became(read)] == ["itm_"]
    assert read("deliveries", "--status", "quarantined") == []


def became(read: Read) -> list[Any]:
    copies = [one["id"] for one in read("deliveries") if one["replay_of"]]
    return [read("deliveries", "show", id) for id in copies]


def test_the_answers_of_the_table_are_those_that_the_intake_gives() -> None:
    from webhooks.answers import problems

    told = {int(code) for code in re.findall(r"`(\d{3})`", PAGE.partition("| answer |")[2])}
    given = {answer.status for answer in problems(10).values()}
    assert given - told == {405}
    assert told - given == {200, 202}


def test_the_replay_of_the_page_is_one_that_the_api_takes() -> None:
    from hub.api.deliveries import ReplayRequest

    body = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[1]
    assert ReplayRequest.model_validate(json.loads(body)).dry_run


def test_every_link_of_the_page_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert (ROOT / "docs" / target.partition("#")[0]).is_file(), target

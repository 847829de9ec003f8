"""What docs/mappings.md shows of the command line is what is printed, command by command."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import respx
from typer.testing import Result

Run = Callable[..., Result]
ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "mappings.md").read_text("utf-8")
CONSOLE = re.findall(r"```console\n\$ hub (.*)\n((?:.*\n)*?)```", PAGE)
RIGHT, WRONG = "solved: done, closed: done}", "solved: don}"


def shown(pattern: str) -> str:
    """The block of the page that a pattern begins in."""
    [text] = re.findall(rf"```\w+\n(?={pattern})(.*?)```", PAGE, re.DOTALL)
    return str(text)


@pytest.fixture
def help_desk(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace as the page asks for it: the service, its connection, one record."""
    service = (ROOT / "examples/services/zendesk.yaml").read_text("utf-8")
    for folder in ("services", "samples"):
        (workspace / folder).mkdir()
    shutil.copy(ROOT / "examples/services/zendesk.yaml", workspace / "services")
    block = [line[4:] for line in service.splitlines() if line.startswith("#   ")]
    hub = workspace / "hub.yaml"
    head = hub.read_text().split("connections: {}")[0]
    hub.write_text(head + "connections:\n  " + "\n  ".join(block) + "\n")
    (workspace / "samples/ticket.json").write_text(shown(r'\{\n  "id": 35436'))
    people = workspace / "people.yaml"
    people.write_text(people.read_text() + '\nidentities: {support: {dana: "3791"}}\n')
    monkeypatch.setenv("ZENDESK_HOOK", "hub_test_secret")
    monkeypatch.chdir(workspace)
    return workspace


@respx.mock
def test_every_command_of_the_five_minutes_prints_what_the_page_shows(
    help_desk: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last command the record comes in, so that its value can be explained."""
    ticket = json.loads((help_desk / "samples/ticket.json").read_text())
    ticket |= {"updated_at": "2026-03-03T09:00:00Z", "generated_timestamp": 1772528400}
    page = {"tickets": [ticket], "after_cursor": "c", "end_of_stream": True}
    desk = "https://acme.zendesk.com/api/v2"
    respx.get(f"{desk}/incremental/tickets/cursor.json").respond(json=page)
    assert len(CONSOLE) > 7
    file = help_desk / "mappings/support-ticket.yaml"
    for command, output in CONSOLE:
        words = shlex.split(command)
        if words[0] == "check":  # from here on the file is the one that the page ends with
            monkeypatch.setenv("ZENDESK_TOKEN", "hub_test_secret")
            right = shown(r"# yaml-language-server[^\n]*\nmapping")
            assert run(*words).exit_code == 0
            file.write_text(right.replace(RIGHT, WRONG))
            assert lines(run(*words, code=1).stderr)[:3] == lines(output)[:3]
            file.write_text(right)
            assert "1 mapping, 1 rule, 1 process; 0 warnings" in run(*words).stdout
            continue
        if words[0] == "explain":
            run("pull", "support")
        printed = lines(run(*words).stdout)
        assert [one for one in lines(output) if one not in printed] == [], command


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]

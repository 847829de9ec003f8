"""What docs/processes.md shows is run: ops teams write their first process from it, alone."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from hub.cli import app
from hub.process.definitions import STEP_KEYS, load_process

PAGE = (Path(__file__).parent.parent / "docs/processes.md").read_text("utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
FILES = {
    block.splitlines()[0].removeprefix("# "): block
    for block in BLOCKS
    if re.match(r"# \S+\.yaml\n", block)
}
STEPS = [
    block for block in BLOCKS if block not in FILES.values() and not block.startswith("tests:")
]
AROUND = "process: shown\naccountable: role:purchasing\nsteps:\n"


def test_the_whole_files_are_a_workspace_that_checks_and_whose_examples_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(FILES) == {"hub.yaml", "people.yaml", "processes/supplier.yaml"}
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    monkeypatch.setenv("HUB_WORKSPACE", str(tmp_path))
    for command in ("check", "test"):
        result = CliRunner().invoke(app, [command])
        assert result.exit_code == 0, result.output
        assert "0 warnings" in result.output or "1 passed" in result.output, result.output


@pytest.mark.parametrize("block", STEPS, ids=[block.partition(":")[0] for block in STEPS])
def test_a_step_that_is_shown_is_right(block: str) -> None:
    text = AROUND + "".join(f"  {line}\n" for line in block.splitlines())
    definition, findings = load_process("processes/shown.yaml", text)
    assert [one for one in findings if one.severity == "error"] == []
    assert definition is not None


def test_every_key_of_a_step_is_named_on_the_page() -> None:
    known = frozenset().union(*STEP_KEYS.values())
    plain = {"title", "description", "type", "object", "labels", "connection"}
    assert sorted(key for key in known - plain if not re.search(rf"\b{key}\b", PAGE)) == []


def test_every_command_on_the_page_is_one() -> None:
    commands = get_command(app)
    shown = re.findall(r"`hub ([^`…]+)", PAGE)
    assert len(shown) > 10
    for line in shown:
        words = shlex.split(line)
        for word in words[1].split("|") if "|" in (words[1:] or [""])[0] else words[1:2]:
            group = commands.commands[words[0]]  # type: ignore[attr-defined]
            if hasattr(group, "commands") and not word.isupper() and not word.startswith("-"):
                assert word in group.commands, line
            named = group.commands.get(word, group) if hasattr(group, "commands") else group
            options = {one for parameter in named.params for one in parameter.opts}
            assert {w for w in words if w.startswith("--")} <= options, line

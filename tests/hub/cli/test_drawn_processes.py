"""Processes by command: listed, shown, drawn, and written for other tools."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from typer.testing import Result

from hub.cli.session import opened
from hub.process import cases as moving

Run = Callable[..., Result]
Read = Callable[..., Any]


def test_processes_of_the_files_are_listed_and_shown(workspace: Path, run: Run, read: Read) -> None:
    (listed,) = read("process", "list")
    shown = read("process", "show", listed["process"])
    assert len(shown["steps"]) == listed["steps"] > 0
    assert shown["steps"][0]["step"] in run("process", "show", listed["process"]).stdout
    assert "There is no process 'nope'" in run("process", "show", "nope", code=1).stderr


def test_a_process_is_drawn_and_written_as_bpmn(
    workspace: Path, run: Run, read: Read, tmp_path: Path
) -> None:
    (listed,) = read("process", "list")
    for command, root in (("draw", "svg"), ("bpmn", "definitions")):
        file = tmp_path / command
        run("process", command, listed["process"], "--out", file)
        assert ElementTree.parse(file).getroot().tag.endswith(root)  # noqa: S314 - our own
        assert run("process", command, listed["process"]).stdout == file.read_text()


def test_a_case_is_drawn_with_how_far_its_steps_are(workspace: Path, run: Run, read: Read) -> None:
    run("apply")
    (listed,) = read("process", "list")
    with opened() as hub, hub.unit() as unit:
        id, _ = moving.start(unit, listed["process"], title="A", key="K")
    drawn = run("process", "draw", "--case", id).stdout
    assert "is-active" in drawn
    assert "Now</tspan>" in drawn
    assert "no case" in run("process", "draw", "--case", "cas_nope", code=1).stderr
    assert "name one process" in run("process", "draw", code=2).stderr


def test_files_that_are_wrong_are_not_drawn(workspace: Path, run: Run) -> None:
    (workspace / "processes" / "bad.yaml").write_text("process: bad\n")
    assert "bad.yaml" in run("process", "list", code=1).stderr

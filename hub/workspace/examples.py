"""The examples that stand in a workspace's files, run: by `hub test`, and as pytest tests."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hub.process.model import ProcessDefinition, ProcessTest
from hub.process.played import play
from hub.registry import connector_classes
from hub.workspace.files import read_files
from hub.workspace.rules import RuleTest
from hub.workspace.workspace import Workspace, load
from mappings.compiler import CompiledMapping
from mappings.examples import run_examples
from mappings.source import Finding, Place


@dataclass(frozen=True, slots=True)
class Ran:
    """One example and what did not hold of it."""

    name: str
    place: Place
    findings: tuple[Finding, ...]


def run_all(workspace: Workspace, files: Mapping[str, str]) -> Iterator[Ran]:
    """Each example by itself, mappings first. `files` are the workspace's, samples among them."""
    for name, compiled in {one.spec.name: one for one in workspace.mappings.values()}.items():
        if compiled.spec.place.file.startswith("mappings/"):
            yield from _of_mapping(name, compiled, workspace, files)
    for process in workspace.processes.values():
        for number, test in enumerate(process.tests, 1):
            yield _of_process(process, number, test, files)
    for number, one in enumerate(workspace.rules.tests, 1):
        yield _of_rules(f"rules #{number} {one.given['event']['type']}", one, workspace, files)


def suite(folder: str | os.PathLike[str]) -> Callable[..., None]:
    """A pytest test for each example of a workspace folder, which must load without an error:

    test_examples = suite("acme-ops")
    """
    import pytest

    files = read_files(folder)
    loaded = load(files, connector_classes(), os.environ)
    if loaded.workspace is None:
        raise ValueError("\n".join(map(str, loaded.errors)))
    ran = list(run_all(loaded.workspace, files))

    @pytest.mark.parametrize("one", ran, ids=[one.name for one in ran])
    def test_examples(one: Ran) -> None:
        if one.findings:
            pytest.fail("\n".join(found.with_caret() for found in one.findings), False)

    return test_examples


def _of_mapping(
    name: str, compiled: CompiledMapping, workspace: Workspace, files: Mapping[str, str]
) -> Iterator[Ran]:
    for number, one in enumerate(compiled.spec.examples, 1):
        alone = replace(compiled, spec=replace(compiled.spec, examples=(one,)))
        given = f" {one.given}" if isinstance(one.given, str) else ""
        findings = run_examples(alone, lambda path: _sample(path, files), workspace.people)
        yield Ran(f"mapping {name} #{number}{given}", one.place, tuple(findings))


def _sample(path: str, files: Mapping[str, str]) -> Any:
    if not path.startswith("samples/"):
        raise ValueError("it is not in samples/")
    if path not in files:
        raise ValueError("there is no such file")
    return json.loads(files[path])


def _of_process(
    process: ProcessDefinition, number: int, test: ProcessTest, files: Mapping[str, str]
) -> Ran:
    findings = [replace(one, excerpt=_line(one.place, files)) for one in play(process, test)]
    return Ran(f"process {process.key} #{number} {test.name}".strip(), test.place, tuple(findings))


def _line(place: Place, files: Mapping[str, str]) -> str:
    lines = files.get(place.file, "").splitlines()
    return lines[place.line - 1] if place.line <= len(lines) else ""


def _of_rules(name: str, test: RuleTest, workspace: Workspace, files: Mapping[str, str]) -> Ran:
    sees = {name: value for name, value in test.given.items() if name != "event"}
    matched = workspace.rules.match(dict(test.given["event"]), sees)
    names = [rule.name for rule in matched.rules]
    if sorted(names) == sorted(test.expect):
        return Ran(name, test.place, ())
    wanted = ", ".join(test.expect) or "no rule"
    got = ", ".join(names) or "no rule"
    why = " ".join(str(each) for each in matched.traces if each.verdict != "matched")
    told = f"expected {wanted}, and {got} matched."
    found = Finding(test.place, told, why, "error", _line(test.place, files))
    return Ran(name, test.place, (found,))

"""The command that runs the examples written inside the workspace's files."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from hub.cli.named_mapping import loaded_workspace
from hub.cli.output import (
    Json,
    example,
    findings_json,
    print_findings,
    print_json,
)
from hub.cli.session import Folder, folder_of

if TYPE_CHECKING:
    from hub.workspace import Workspace
    from mappings.compiler import CompiledMapping
    from mappings.source import Finding

PANEL = "Workspace"
app = typer.Typer()


# ------------------------------------------------------------------------------------------- test


@app.command("test", rich_help_panel=PANEL, epilog=example("hub test", "hub test acme-ops --json"))
def run_tests(folder: Folder = None, json: Json = False) -> None:
    """Run the examples that stand in the workspace's files.

    Exit code 1 if an expectation does not hold; each failure is shown at its line.
    """
    root = folder_of(folder)
    workspace = loaded_workspace(root)
    ran: list[tuple[str, str, list[Finding]]] = []
    for name, compiled in {one.spec.name: one for one in workspace.mappings.values()}.items():
        if compiled.spec.place.file.startswith("mappings/"):
            ran += _mapping_examples(name, compiled, _sample_reader(root), workspace.people)
    ran += _rule_tests(workspace, root)
    failures = [found for _, _, findings in ran for found in findings]
    failed = sum(bool(findings) for _, _, findings in ran)
    if json:
        print_json(
            {
                "passed": len(ran) - failed,
                "failed": failed,
                "tests": [
                    {"name": name, "at": at, "ok": not found, "findings": findings_json(found)}
                    for name, at, found in ran
                ],
            }
        )
    else:
        for name, at, found in ran:
            typer.echo(f"{'failed' if found else 'ok    '}  {name}  ({at})")
        print_findings(failures)
        typer.echo(f"{len(ran) - failed} passed, {failed} failed.")
    if failed:
        raise typer.Exit(1)


def _sample_reader(root: Path) -> Callable[[str], Any]:
    def load(name: str) -> Any:
        path = (root / name).resolve()
        if not path.is_relative_to((root / "samples").resolve()):
            raise ValueError("it is not in samples/")
        return json_module.loads(path.read_text("utf-8-sig"))

    return load


def _mapping_examples(
    name: str,
    compiled: CompiledMapping,
    load_sample: Callable[[str], Any],
    people: Collection[str],
) -> list[tuple[str, str, list[Finding]]]:
    """Each example by itself, so that one failing leaves the others' verdicts standing."""
    from dataclasses import replace

    from mappings.examples import run_examples

    found = []
    for number, one in enumerate(compiled.spec.examples, 1):
        alone = replace(compiled, spec=replace(compiled.spec, examples=(one,)))
        given = f" {one.given}" if isinstance(one.given, str) else ""
        findings = run_examples(alone, load_sample, people)
        found.append((f"mapping {name} #{number}{given}", str(one.place), findings))
    return found


def _rule_tests(workspace: Workspace, root: Path) -> list[tuple[str, str, list[Finding]]]:
    from mappings.source import Finding

    found = []
    for number, one in enumerate(workspace.rules.tests, 1):
        sees = {name: value for name, value in one.given.items() if name != "event"}
        matched = workspace.rules.match(dict(one.given["event"]), sees)
        names = [rule.name for rule in matched.rules]
        findings: list[Finding] = []
        if sorted(names) != sorted(one.expect):
            wanted = ", ".join(one.expect) or "no rule"
            got = ", ".join(names) or "no rule"
            why = " ".join(str(each) for each in matched.traces if each.verdict != "matched")
            findings.append(
                Finding(one.place, f"expected {wanted}, and {got} matched.", why, "error",
                        _line(root, one.place.file, one.place.line))
            )  # fmt: skip
        event = one.given["event"]["type"]
        found.append((f"rules #{number} {event}", str(one.place), findings))
    return found


def _line(root: Path, file: str, line: int) -> str:
    lines = (root / file).read_text("utf-8-sig").splitlines()
    return lines[line - 1] if 0 < line <= len(lines) else ""

"""Commands that try a workspace without touching anything: one record through one mapping, and the
examples written inside the files.
"""

from __future__ import annotations

import json as json_module
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from hub.cli.output import (
    Json,
    cell,
    example,
    findings_json,
    note,
    print_findings,
    print_json,
    print_table,
)
from hub.cli.session import Folder, classes, folder_of

if TYPE_CHECKING:
    from hub.workspace import Workspace
    from mappings.compiler import CompiledMapping
    from mappings.source import Finding

PANEL = "Workspace"
app = typer.Typer()


# ---------------------------------------------------------------------------------------- preview


@app.command(
    rich_help_panel=PANEL,
    epilog=example(
        "hub preview github-issue --record samples/issue.json",
        "hub preview github-issue --record - --json < issue.json",
        "hub preview github-issue --record samples/issue.json --back",
    ),
)
def preview(
    mapping: Annotated[str, typer.Argument(metavar="MAPPING", help="A mapping's name or file.")],
    record: Annotated[
        str, typer.Option("--record", metavar="FILE", help="A tool's record as JSON; - for stdin.")
    ],
    back: Annotated[
        bool, typer.Option("--back", help="Show what would be written back to the tool.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what one record becomes: each field before and after.

    Reads the files as they are now, applied or not, and changes nothing. Exit code 1 if the mapping
    keeps the record out or a field has a problem.
    """
    from mappings.expressions import ExpressionError

    data = _read_record(record)
    compiled, people, connection = _find_mapping(mapping)
    out = False
    try:
        out = not compiled.matches(data)
        reason = "keeps this record out"
    except ExpressionError as error:
        out, reason = True, f"has no answer for this record: {error}"
    if out:
        at = compiled.spec.filter.place if compiled.spec.filter else compiled.spec.place
        note(f"{at} error: the filter {reason}. Without it, the record would become:")
    mapped = compiled.inward(data, people, connection)
    problems = list(mapped.problems)
    if back:
        outward = compiled.outward(mapped.values, people, connection)
        problems += outward.problems
        shown: Any = outward.fields
    else:
        shown = people.entity(mapped.values)
    if json:
        print_json(shown)
    elif back:
        print_table(
            ("field", "here", "written to the tool"),
            [(name, value, _written(compiled, name, people, connection, value))
             for name, value in mapped.values.items()],
        )  # fmt: skip
    else:
        names = [*mapped.values, *(one.field for one in problems if one.field not in mapped.values)]
        print_table(
            ("field", f"in {connection}", "here"),
            [(name, _raw(mapped.raw.get(name)), mapped.values.get(name)) for name in names],
        )
    for problem in problems:
        note(f"{problem.place} error: {problem.message}")
    if out or problems:
        raise typer.Exit(1)


def _written(
    compiled: CompiledMapping, name: str, people: FilePeople, connection: str, value: Any
) -> str:
    fields = compiled.outward({name: value}, people, connection).fields
    return ", ".join(f"{key}: {cell(each)}" for key, each in fields.items()) or "(stays here)"


def _raw(value: Any) -> str:
    text = value if isinstance(value, str) else json_module.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:119]}…"


def _read_record(file: str) -> Mapping[str, Any]:
    text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8-sig")
    try:
        data: Any = json_module.loads(text)
    except (ValueError, RecursionError) as error:
        place = f"{file}:{getattr(error, 'lineno', 1)}:{getattr(error, 'colno', 1)}"
        fail_at(place, f"not JSON: {getattr(error, 'msg', error)}.", "Give one record as JSON.")
    if not isinstance(data, dict):
        fail_at(f"{file}:1:1", "this is not one record.", "Give a JSON object.")
    found: Mapping[str, Any] = data
    return found


def fail_at(place: str, message: str, remedy: str) -> NoReturn:
    """Say what is wrong at a place of a file, and stop."""
    typer.echo(f"{place} error: {message} {remedy}", err=True)
    raise typer.Exit(1)


def _find_mapping(name: str) -> tuple[CompiledMapping, FilePeople, str]:
    """A mapping of the workspace here, else one that a connector ships, by name or file."""
    from mappings.source import did_you_mean

    workspace = _loaded(folder_of()) if (folder_of() / "hub.yaml").exists() else None
    known: dict[str, tuple[CompiledMapping, FilePeople, str]] = {}
    for compiled, connection in _shipped():
        known[compiled.spec.name] = (compiled, FilePeople({}, {}, ""), connection)
    if workspace is not None:
        for (connection, _), compiled in workspace.mappings.items():
            people = FilePeople(workspace.people, workspace.identities, connection)
            known[compiled.spec.name] = (compiled, people, connection)
    if name in known:
        return known[name]
    for compiled, people, connection in known.values():
        if Path(name).name == Path(compiled.spec.place.file).name and "." in name:
            return compiled, people, connection
    hint = did_you_mean(name, sorted(known))
    raise LookupError(f"There is no mapping '{name}'. {hint}".strip())


def _shipped() -> list[tuple[CompiledMapping, str]]:
    """The mappings that connectors bring, each with its connector's name."""
    from hub.workspace.mapping_files import default_mappings
    from mappings.compiler import MappingError, compile_mapping
    from mappings.language import load_mapping, resolve

    found = []
    for name, cls in classes().items():
        specs = [load_mapping(file, text)[0] for file, text in default_mappings(cls)]
        resolved, _ = resolve([spec for spec in specs if spec is not None])
        for spec in resolved.values():
            try:
                found.append((compile_mapping(spec, "UTC"), name))
            except MappingError as error:
                note(f"{spec.place} error: {error}")
    return found


def _loaded(folder: Path) -> Workspace:
    from hub.apply import NotValid
    from hub.workspace import load, read_files

    loaded = load(read_files(folder), classes(), os.environ)
    if loaded.workspace is None:
        raise NotValid(loaded.errors)
    return loaded.workspace


@dataclass(frozen=True, slots=True)
class FilePeople:
    """People as the files name them, so that a preview needs no database: a party's id is its key
    in people.yaml. Without any people, everybody is called here as in the tool.
    """

    people: Mapping[str, Any]
    identities: Mapping[str, Mapping[str, str]]
    connection: str

    def party_for(self, connection: str, handle: str) -> str | None:
        if not self.people:
            return handle
        wanted = handle.lower()
        for key, name in self.identities.get(connection, {}).items():
            if str(name).lower() == wanted:
                return key
        for key, person in self.people.items():
            if (person.email or "").lower() == wanted:
                return key
        return None

    def handle_for(self, connection: str, party: str) -> str | None:
        if not self.people:
            return party
        handle = self.identities.get(connection, {}).get(party)
        if handle is not None:
            return str(handle)
        person = self.people.get(party)
        return person.email if person else None

    def entity(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Mapped values in the form of the entity: `custom` nested, people as parties."""
        found: dict[str, Any] = {}
        for name, value in values.items():
            if name.startswith("custom."):
                found.setdefault("custom", {})[name.removeprefix("custom.")] = value
            elif name in ("assignee", "requester", "owner", "author") and isinstance(value, str):
                found[name] = self._party(value)
            else:
                found[name] = value
        return found

    def _party(self, key: str) -> dict[str, Any]:
        person = self.people.get(key)
        return {
            "id": key,
            "kind": "person",
            "side": "internal",
            "name": person.name if person else key,
            "email": person.email if person else None,
        }


# ------------------------------------------------------------------------------------------- test


@app.command("test", rich_help_panel=PANEL, epilog=example("hub test", "hub test acme-ops --json"))
def run_tests(folder: Folder = None, json: Json = False) -> None:
    """Run the examples that stand in the workspace's files.

    Exit code 1 if an expectation does not hold; each failure is shown at its line.
    """
    root = folder_of(folder)
    workspace = _loaded(root)
    ran: list[tuple[str, str, list[Finding]]] = []
    for name, compiled in {one.spec.name: one for one in workspace.mappings.values()}.items():
        if compiled.spec.place.file.startswith("mappings/"):
            ran += _mapping_examples(name, compiled, _sample_reader(root))
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
    name: str, compiled: CompiledMapping, load_sample: Callable[[str], Any]
) -> list[tuple[str, str, list[Finding]]]:
    """Each example by itself, so that one failing leaves the others' verdicts standing."""
    from dataclasses import replace

    from mappings.examples import run_examples

    found = []
    for number, one in enumerate(compiled.spec.examples, 1):
        alone = replace(compiled, spec=replace(compiled.spec, examples=(one,)))
        given = f" {one.given}" if isinstance(one.given, str) else ""
        findings = run_examples(alone, load_sample)
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

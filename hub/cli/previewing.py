"""The command that shows what a mapping makes of a record, field by field and step by step."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.named_mapping import Subject, known_field, named_mapping
from hub.cli.output import Json, example, fail, note, print_json, print_table
from hub.cli.session import folder_of
from hub.cli.step_words import how, raw_of, result_of, short, step_line, trace_json

if TYPE_CHECKING:
    from hub.cli.given_records import Given
    from hub.flow.would_match import WouldMatch
    from mappings.compiler import CompiledMapping, Mapped, Problem
    from mappings.trace import FieldTrace

PANEL = "Workspace"
SHOWN = 10
"""Records shown one by one; of more, each field is summed up."""
app = typer.Typer()


@app.command(
    rich_help_panel=PANEL,
    epilog=example(
        "hub preview github-issue --record samples/issue.json",
        "hub preview github-issue --record samples/issue.json --steps",
        "hub preview github-issue --id acme/ops#7 --field status",
        "hub preview github-issue --record issues.jsonl",
        "hub preview github-issue --record - --json < issue.json",
        "hub preview github-issue --record samples/issue.json --back",
    ),
)
def preview(
    mapping: Annotated[str, typer.Argument(metavar="MAPPING", help="A mapping's name or file.")],
    record: Annotated[
        str | None,
        typer.Option(
            "--record",
            metavar="FILE",
            help="A tool's record as JSON, a list of them, or one a line; - for stdin.",
        ),
    ] = None,
    id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Read this record from the tool now.")
    ] = None,
    delivery: Annotated[
        str | None, typer.Option(metavar="ID", help="What a stored delivery holds.")
    ] = None,
    connection: Annotated[
        str | None, typer.Option(help="For which connection, where several use the mapping.")
    ] = None,
    back: Annotated[
        bool, typer.Option("--back", help="Show what would be written back to the tool.")
    ] = False,
    steps: Annotated[
        bool, typer.Option("--steps", help="Each step on a line, with its place in the file.")
    ] = False,
    field: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this field, with its steps.")
    ] = None,
    json: Json = False,
) -> None:
    """Show what a record becomes: each field in the tool, here, and every step between.

    Reads the files as they are now, applied or not, and changes nothing. Exit code 1 if the mapping
    keeps a record out or a field has a problem.
    """
    from hub.cli.given_records import from_delivery, from_file, from_tool
    from hub.cli.matched import in_words, matches_of

    if sum(one is not None for one in (record, id, delivery)) != 1:
        fail("give one of --record FILE, --id ID and --delivery ID.", 2)
    subject = named_mapping(mapping, connection)
    object = subject.compiled.spec.object or ""
    if record is not None:
        given = from_file(record, folder_of())
    elif id is not None:
        given = from_tool(subject.connection, object, id)
    else:
        given = from_delivery(str(delivery), object)
    if field is not None:
        known_field(subject, field)
    shown = [_Preview.of(subject, one, field, back=back) for one in given]
    come = [one for one in shown if one.out is None and not back and field is None]
    for one, found in zip(come, matches_of(subject, [e.given.data for e in come]), strict=False):
        one.match = (found,)
    if json:
        documents = [one.document(steps=steps or field is not None) for one in shown]
        print_json(documents[0] if len(documents) == 1 else documents)
    elif len(shown) > SHOWN and not steps and field is None:
        _print_summary(shown)
    else:
        for number, one in enumerate(shown):
            if len(shown) > 1:
                typer.echo(f"{chr(10) if number else ''}{one.given.name}")
            if steps or field is not None:
                one.print_steps()
            else:
                one.print_table()
            for found in one.match:
                typer.echo(in_words(subject, found))
    for one in shown[:SHOWN] if len(shown) > SHOWN else shown:
        one.note_problems()
    if any(one.out or one.problems for one in shown):
        raise typer.Exit(1)


@dataclass(slots=True)
class _Preview:
    """What became of one record."""

    subject: Subject
    given: Given
    out: str | None
    """Why the filter keeps it out."""
    mapped: Mapped
    fields: dict[str, Any]
    """What would be written to the tool."""
    told: list[FieldTrace]
    problems: list[Problem]
    back: bool
    match: tuple[WouldMatch | None, ...] = ()
    """What it would be linked to, if it were new; empty where that is not known."""

    @classmethod
    def of(cls, subject: Subject, given: Given, field: str | None, *, back: bool) -> _Preview:
        from mappings.trace import trace_inward, trace_outward

        compiled, people, connection = subject.compiled, subject.people, subject.connection
        mapped = compiled.inward(given.data, people, connection)
        told = trace_inward(compiled, given.data, people, connection)
        problems, fields = list(mapped.problems), {}
        if back:
            outward = compiled.outward(mapped.values, people, connection)
            fields = outward.fields
            problems += outward.problems
            told = trace_outward(compiled, mapped.values, people, connection)
        if field is not None:
            told = [one for one in told if one.name == field]
            problems = [one for one in problems if one.field == field]
        return cls(subject, given, _kept_out(compiled, given), mapped, fields, told, problems, back)

    def document(self, *, steps: bool) -> Any:
        """The entity (or, backwards, the tool's fields); with `steps`, how each came about too."""
        made = self.fields if self.back else self.subject.people.entity(self.mapped.values)
        if not steps:
            return made
        from hub.cli.matched import as_json

        return {
            "record": self.given.name,
            "kept_out": self.out,
            "back" if self.back else "entity": made,
            "fields": [trace_json(one) for one in self.told],
            "problems": [
                {"field": one.field, "type": one.kind, "message": one.message,
                 "at": str(one.place), "raw": one.raw}
                for one in self.problems
            ],
            **({"match": as_json(self.match[0])} if self.match else {}),
        }  # fmt: skip

    def print_table(self) -> None:
        if self.back:
            print_table(
                ("field", "here", "how", "written to the tool"),
                [
                    (one.name, one.raw, how(one), f"{one.written}: {short(one.result)}")
                    if one.problem is None
                    else (one.name, one.raw, how(one), "(problem)")
                    for one in self.told
                ],
                empty="Nothing is written back.",
            )
            stays = [name for name in self.mapped.values if name not in {o.name for o in self.told}]
            if stays:
                note(f"Not written back: {', '.join(stays)}.")
            return
        print_table(
            ("field", f"in {self.subject.connection}", "how", "here"),
            [(one.name, raw_of(one), how(one), result_of(one)) for one in self.told],
        )

    def print_steps(self) -> None:
        from mappings.paths import MISSING

        for one in self.told:
            typer.echo(f"{one.name}  ({one.place})")
            for step in one.steps:
                typer.echo(f"    {step_line(step)}")
            if one.problem is not None:
                typer.echo("    = no value: a problem")
            elif one.result is MISSING:
                typer.echo("    = left as it is here")
            else:
                to = f"  written to {one.written}" if one.written else ""
                typer.echo(f"    = {short(one.result)}{to}")

    def note_problems(self) -> None:
        spec = self.subject.compiled.spec
        if self.out is not None:
            at = spec.filter.place if spec.filter else spec.place
            note(f"{at} error: the filter {self.out}. Without it, this is what it would become.")
        for problem in self.problems:
            note(f"{problem.place} error: {problem.message}")


def _kept_out(compiled: CompiledMapping, given: Given) -> str | None:
    from mappings.expressions import ExpressionError

    try:
        return None if compiled.matches(given.data) else "keeps this record out"
    except ExpressionError as error:
        return f"has no answer for this record: {error}"


def _print_summary(shown: list[_Preview]) -> None:
    """Many records: per field how often it has a value, and what goes wrong with it most."""
    names = dict.fromkeys(one.name for each in shown for one in each.told)
    rows = []
    for name in names:
        filled, empty, left = 0, 0, 0
        wrong: Counter[str] = Counter()
        for each in shown:
            for told in each.told:
                if told.name != name:
                    continue
                if told.problem is not None:
                    wrong[told.problem] += 1
                elif name not in each.mapped.values:
                    left += 1
                elif each.mapped.values[name] in (None, "", [], {}):
                    empty += 1
                else:
                    filled += 1
        first = wrong.most_common(1)[0][0] if wrong else ""
        rows.append((name, filled, empty, left, sum(wrong.values()), first))
    print_table(("field", "value", "empty", "not spoken of", "problems", "most often"), rows)
    out = sum(one.out is not None for one in shown)
    kept = f"; the filter keeps {out} out" if out else ""
    linked = sum(found is not None and found.link is not None for e in shown for found in e.match)
    if any(each.match for each in shown):
        kept += f"; {linked} would be linked to what is here by `match`"
    note(f"{len(shown)} records{kept}. One of them: --field NAME, or --steps, shows each.")

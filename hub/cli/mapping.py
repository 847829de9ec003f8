"""Commands on the mappings in force: which there are, what one says in full, a copy to change, and
a first draft of a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.named_mapping import loaded_workspace, named_mapping
from hub.cli.output import Json, example, fail, group, note, print_json, print_table
from hub.cli.session import classes, folder_of

if TYPE_CHECKING:
    from hub.workspace import Workspace
    from mappings.spec import MappingSpec

PANEL = "Workspace"
app = typer.Typer()
mapping = group(
    "Mappings: which record of which tool becomes what, and a first draft of a new one.",
    "hub mapping list",
    "hub mapping show jira-issue --resolved",
    "hub mapping eject jira-issue",
    "hub mapping suggest crm case",
)
app.add_typer(mapping, name="mapping", rich_help_panel=PANEL)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A mapping's name or file.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write a new file.")
]
Force = Annotated[bool, typer.Option("--force", help="Even over a file that is there.")]


# ------------------------------------------------------------------------------------------- list


@mapping.command(
    "list",
    epilog=example("hub mapping list", "hub mapping list --connection crm", "hub mapping --json"),
)
def list_mappings(
    connection: Annotated[
        str | None, typer.Option(help="Only those of this connection.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """List every object of every connection, and the mapping that is used for it.

    Reads the files as they are now, applied or not. An object without a mapping is not brought in;
    draft one with: hub mapping suggest CONNECTION OBJECT
    """
    workspace = loaded_workspace(folder_of())
    rows = [row for row in _rows(workspace) if connection in (None, row["connection"])]
    if json:
        print_json(rows)
        return
    names = ("connection", "object", "mapping", "entity", "direction", "extends", "fields",
             "examples", "file")  # fmt: skip
    empty = "Nothing is connected yet. Add a connection to hub.yaml."
    print_table(names, [[row[name] for name in names] for row in rows], empty=empty)


def _rows(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """A row for each (connection, object), mapped or not."""
    for name, connection in sorted(workspace.connections.items()):
        offered = connection.offers(classes()[connection.connector])
        mapped = [object for (of, object) in workspace.mappings if of == name]
        for object in sorted({*offered, *mapped}):
            compiled = workspace.mappings.get((name, object))
            row: dict[str, Any] = {"connection": name, "object": object, "mapping": None}
            row |= dict.fromkeys(("file", "entity", "direction", "extends", "fields", "examples"))
            if compiled is not None:
                spec = compiled.spec
                row |= {
                    "mapping": spec.name,
                    "file": spec.place.file,
                    "entity": spec.entity,
                    "direction": spec.direction,
                    "extends": spec.extends.text if spec.extends else None,
                    "fields": len(spec.fields),
                    "examples": len(spec.examples),
                }
            yield row


# ------------------------------------------------------------------------------------------- show


@mapping.command(
    "show", epilog=example("hub mapping show github-issue", "hub mapping show our-issue --resolved")
)
def show_mapping(
    name: Name,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="With what it extends, each line with its origin.")
    ] = False,
    json: Json = False,
) -> None:
    """Show a mapping: its file as it is written, or what holds in the end.

    With --resolved every field has its place as a comment, so that an inherited line is told from
    one of the file's own.
    """
    from mappings.written_mapping import resolved_text

    spec = named_mapping(name, None).compiled.spec
    if json:
        print_json(_as_json(spec))
    elif resolved:
        typer.echo(resolved_text(spec), nl=False)
    else:
        typer.echo("\n".join(spec.lines.get(spec.place.file, ())))


def _as_json(spec: MappingSpec) -> dict[str, Any]:
    """The effective mapping as data."""
    from mappings.written import parts_of
    from mappings.written_mapping import match_of

    return {
        "mapping": spec.name,
        "file": spec.place.file,
        "line": spec.place.line,
        "connection": spec.connection,
        "connector": spec.connector,
        "extends": spec.extends.text if spec.extends else None,
        "object": spec.object,
        "entity": spec.entity,
        "filter": spec.filter.text if spec.filter else None,
        "direction": spec.direction,
        "conflict": spec.conflict,
        "fields": [
            {
                "name": field.name,
                "file": field.place.file,
                "line": field.place.line,
                "inherited": field.place.file != spec.place.file,
                "direction": spec.direction_of(field),
                "says": parts_of(field),
            }
            for field in spec.fields.values()
        ],
        "deletes": {"in": spec.deletes_in, "out": spec.deletes_out},
        "match": match_of(spec),
        "examples": len(spec.examples),
    }


# ------------------------------------------------------------------------------------------ eject


@mapping.command(
    "eject",
    epilog=example(
        "hub mapping eject jira-issue",
        "hub mapping eject salesforce-case --connection crm",
        "hub mapping eject jira-issue --output mappings/support.yaml",
    ),
)
def eject(
    name: Name,
    connection: Annotated[
        str | None,
        typer.Option(
            help="For this connection only; else for all of the tool.", show_default=False
        ),
    ] = None,
    output: Output = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write a file of the workspace that extends a mapping, to change a few fields of it.

    The inherited fields stand in it as comments: take away the # of those to change. What stays
    commented out follows the mapping it extends, also when a newer version of it comes.
    """
    from mappings.written_mapping import extending_text

    workspace = loaded_workspace(folder_of())
    spec = named_mapping(name, connection).compiled.spec
    own = (folder_of() / spec.place.file).is_file()
    if spec not in [compiled.spec for compiled in workspace.mappings.values()]:
        fail(
            f"'{spec.name}' is used by no connection of this workspace. Connect a"
            f" {spec.connector} in hub.yaml first; hub mapping list shows what is used."
        )
    if own and (connection is None or spec.connection is not None):
        fail(f"'{spec.name}' is a file of this workspace already: change {spec.place.file}.")
    # a default's own name may be taken: the file then stands in for it wherever it is named
    called = spec.name
    if connection is not None:
        called = f"{connection}-{spec.object}"
        called = f"our-{called}" if own and called == spec.name else called
    text = extending_text(spec, called, connection)
    target = output or folder_of() / "mappings" / f"{called}.yaml"
    write_new(target, with_modeline(text, target), force=force)
    if json:
        print_json({"mapping": called, "extends": spec.name, "file": str(target)})
    else:
        typer.echo(str(target))
        note(f"Next: change what differs, then hub check and hub mapping show {called} --resolved")


def with_modeline(text: str, target: Path) -> str:
    """A draft with the line at its top that has an editor complete and underline it, if it is to
    stand where the workspace keeps such files.
    """
    from hub.workspace.schemas import kind_of_file, modeline

    folder, path = folder_of().resolve(), target.resolve()
    name = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else ""
    return f"{modeline(name)}\n{text}" if kind_of_file(name) == "mapping" else text


def write_new(target: Path, text: str, *, force: bool) -> None:
    """Write a file that is not there yet. Stops, with nothing written, where it is."""
    if not target.parent.is_dir():
        if not (folder_of() / "hub.yaml").exists() or target.parent.name != "mappings":
            fail(f"there is no folder '{target.parent}'. Make it, or name another with --output.")
        target.parent.mkdir()
    try:
        with target.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        fail(f"'{target}' is there already. Name another with --output, or add --force.")


# ---------------------------------------------------------------------------------------- suggest


@mapping.command(
    epilog=example(
        "hub mapping suggest crm case",
        "hub mapping suggest crm case --output mappings/crm-case.yaml",
        "hub mapping suggest shop order --sample orders.csv --entity item",
        "hub mapping suggest crm case --delivery dlv_01k…",
    )
)
def suggest(
    connection: Annotated[str, typer.Argument(metavar="CONNECTION", help="As hub.yaml has it.")],
    object: Annotated[str, typer.Argument(metavar="OBJECT", help="The tool's kind of record.")],
    entity: Annotated[
        str | None,
        typer.Option(help="task, item, party or comment; else guessed.", show_default=False),
    ] = None,
    records: Annotated[int, typer.Option(help="How many records to look at.", min=1, max=500)] = 40,
    sample: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Records of a file instead: JSON, a JSON object a line, or CSV; - for stdin.",
            show_default=False,
        ),
    ] = None,
    delivery: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="What stored deliveries hold, captured ones too; repeat it.",
            show_default=False,
        ),
    ] = None,
    output: Output = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Draft a mapping for an object of a tool: from its own list of fields and some records.

    Each line says how sure it is and why; unsure ones are commented out, and what is left over is
    listed for `custom.*`. The draft is printed, or written to a new file; it is never put into
    force by itself. No value of a record gets into it but the words of its states.
    """
    from hub.cli.sampled import sample_of

    entities = _entities()
    if entity is not None and entity not in entities:
        fail(f"--entity cannot be '{entity}'. Write one of: {', '.join(entities)}.", 2)
    workspace = loaded_workspace(folder_of())
    if sample is not None and delivery:
        fail("give --sample or --delivery, not both.", 2)
    found = sample_of(workspace, connection, object, records, sample, delivery or ())
    from mappings.suggest import draft_mapping

    draft = draft_mapping(
        found.sample,
        connection=connection,
        connector=found.connector,
        entity=entity,
        writes=found.writes,
        own_identity=found.own_identity,
    )
    text = with_modeline(draft.text, output or folder_of() / "mappings" / f"{draft.name}.yaml")
    if json:
        print_json(_drafted(draft, text))
    if output is not None:
        write_new(output, text, force=force)
        if not json:
            typer.echo(str(output))
    elif not json:
        typer.echo(text, nl=False)
    there = workspace.mappings.get((connection, object))
    if there is not None:
        note(
            f"'{there.spec.name}' ({there.spec.place.file}) maps this already. To change a few of"
            f" its fields instead: hub mapping eject {there.spec.name}"
        )
    unsure = sum(not line.active for line in draft.lines)
    sure = len(draft.lines) - unsure
    note(f"{sure} fields drafted, {unsure} more to decide. {_next(draft, output)}")


def _entities() -> Iterable[str]:
    from mappings.canonical import MAPPED_FIELDS

    return tuple(MAPPED_FIELDS)


def _next(draft: Any, output: Path | None) -> str:
    if output is None:
        return f"Next: read it, and save it with --output mappings/{draft.name}.yaml"
    return f"Next: read {output}, then hub check, hub test, and hub preview {draft.name}"


def _drafted(draft: Any, text: str) -> dict[str, Any]:
    """A draft for programs: the text, and each line with its confidence."""
    from mappings.written import parts_of

    return {
        "mapping": draft.name,
        "entity": draft.entity,
        "text": text,
        "fields": [
            {
                "name": line.suggestion.field.name,
                "confidence": line.confidence,
                "active": line.active,
                "reason": line.reason,
                "hints": list(line.suggestion.hints),
                "says": parts_of(line.suggestion.field),
            }
            for line in draft.lines
        ],
        "left": [
            {"path": one.path, "about": one.about} for one in draft.left if one.field is not None
        ],
    }

"""How the command line speaks: tables for people, JSON for programs, errors in one or two lines on
standard error.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from mappings.source import Finding

Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Limit = Annotated[int, typer.Option(help="How many at most.", min=1, max=500)]
Id = Annotated[str, typer.Argument(metavar="ID", help="As a listing shows it.", show_default=False)]

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_DATABASE = ("OperationalError", "InterfaceError", "DatabaseError")
WIDE = 10_000
"""Columns where nobody reads along: a pipe gets whole lines."""


class Listing(TyperGroup):
    """A group whose `list` need not be said: `hub tasks --overdue` means `hub tasks list …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "-h")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def group(help: str, *examples: str, listing: bool = True) -> typer.Typer:
    """A family of commands; with `listing`, its command `list` is what it does by itself."""
    return typer.Typer(
        cls=Listing if listing else TyperGroup,
        no_args_is_help=not listing,
        help=help,
        epilog=example(*examples),
    )


def example(*lines: str) -> str:
    """The examples under a command's help, one a line."""
    said = [line.replace("[", r"\[") for line in lines]
    return "\n".join(["Examples:" if len(said) > 1 else "Example:", *(f"  {one}" for one in said)])


# ----------------------------------------------------------------------------------------- errors


def fail(message: str, code: int = 1) -> NoReturn:
    """Say what is wrong and what to do, and stop. `code` 1: a finding or failure, 2: wrong use."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(code)


def one_of(option: str, value: str | None, choices: Iterable[Any]) -> None:
    """Refuse, as wrong use, a word that is none of the choices."""
    words = [str(choice) for choice in choices]
    if value is not None and value not in words:
        fail(f"{option} cannot be '{value}'. Write one of: {', '.join(words)}.", 2)


def note(message: str) -> None:
    """Something a person may want to know, kept out of what programs read."""
    typer.echo(message, err=True)


def explained(error: Exception) -> str | None:
    """What to tell a person about an expected error; None for one that is our bug."""
    from connectors.sdk import ConnectorError
    from hub.apply import NotFromHere, NotValid
    from hub.live import NoWorkspace
    from hub.settings import SettingsError
    from hub.store.access import WrongKey
    from mappings.source import SourceError

    if isinstance(error, NotValid | SourceError):
        return "\n".join(found.with_caret() for found in error.findings)
    if isinstance(error, NotFromHere):
        return f"{error.difference}error: {error}"
    plain = (SettingsError, NoWorkspace, ConnectorError, WrongKey)
    missing = isinstance(error, LookupError) and not isinstance(error, KeyError | IndexError)
    if isinstance(error, plain) or missing:
        return f"error: {error}"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"error: {where}{error.strerror or error}."
    module, name = type(error).__module__, type(error).__name__
    if name in ("AlreadyRunning", "DiskFailed", "Refused") and module.startswith("hub."):
        return f"error: {error}"
    if module.startswith("sqlalchemy.") and name in _DATABASE:
        first = str(getattr(error, "orig", error)).strip().splitlines()[0]
        return f"error: the database cannot be used: {first}. Check HUB_DATABASE_URL."
    if (module.startswith("redis.") and "Connection" in name) or name == "ConnectionClosed":
        return f"error: Redis does not answer: {error}. Check HUB_REDIS_URL."
    return None


class Root(TyperGroup):
    """The whole program: an expected error becomes a line on standard error and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # whoever read our output has seen enough
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - so that the exit can flush
            raise typer.Exit(0) from None
        except Exception as error:
            ours = not type(error).__module__.startswith("typer")  # those are wrong usage, or exits
            said = explained(error) if ours and os.environ.get("HUB_DEBUG") != "1" else None
            if said is None:
                raise
            typer.echo(said, err=True)
            raise typer.Exit(1) from None


def print_findings(findings: Iterable[Finding]) -> None:
    """Findings with the line they point at, on standard error."""
    for found in findings:
        typer.echo(found.with_caret(), err=True)


def findings_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings for programs."""
    return [
        {
            "file": found.place.file,
            "line": found.place.line,
            "column": found.place.column,
            "severity": found.severity,
            "message": found.message,
            "hint": found.hint,
        }
        for found in findings
    ]


# ---------------------------------------------------------------------------------------- results


def plain(value: Any) -> Any:
    """A value as JSON has it: public models by their public names, moments as RFC 3339."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(plain(value), indent=2, ensure_ascii=False, default=str))


def print_json_line(value: Any) -> None:
    """One JSON object a line, for programs that read along."""
    typer.echo(json.dumps(plain(value), ensure_ascii=False, default=str))


def cell(value: Any) -> str:
    """A value in few words: a person by name, a moment to the minute."""
    if value is None or value == [] or value == {}:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}Z"
    if isinstance(value, Mapping):
        if "date" in value or "at" in value:
            moment = str(value.get("date") or value.get("at"))
            return moment[:16].replace("T", " ") + ("Z" if value.get("at") else "")
        if "currency" in value:
            return f"{value['value']} {value['currency'] or ''}".strip()
        if value.get("name"):
            return str(value["name"])
        return json.dumps(plain(value), ensure_ascii=False)
    if isinstance(value, list | tuple):
        return ", ".join(cell(item) for item in value)
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return f"{value[:16].replace('T', ' ')}Z"
    return str(value)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str = "Nothing found."
) -> None:
    """A table on standard output; where nobody reads along, lines are never cut or wrapped."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    lines = [[cell(value) for value in row] for row in rows]
    if not lines:
        note(empty)
        return
    console = Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    for index, name in enumerate(columns):
        table.add_column(name.upper(), overflow="fold", no_wrap=index == 0)
    for line in lines:
        table.add_row(*(Text(_one_line(value)) for value in line))
    console.print(table)


def safe_text(text: str) -> str:
    """Text from outside, its lines kept; what a terminal would obey is left out."""
    return "\n".join(_one_line(line.replace("\t", "    ")) for line in text.split("\n"))


def _one_line(text: str) -> str:
    """Text from outside, without what would move the cursor or hide something."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def print_details(values: Mapping[str, Any]) -> None:
    """One thing, a line for each of its values."""
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        shown = cell(plain(value))
        safe = "\n".join(_one_line(line) for line in shown.splitlines())
        indented = safe.replace("\n", "\n" + " " * (width + 2))
        typer.echo(f"{name.ljust(width)}  {indented}")


def chosen(entity: Any, names: Sequence[str]) -> list[Any]:
    """Some values of a public model or a plain dictionary, for a row of a table."""
    shown = plain(entity)
    return [shown.get(name) for name in names]

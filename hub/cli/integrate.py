"""Commands for integrators: which connectors there are, what they take, and their sandboxes."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from hub.cli.output import Json, example, fail, group, note, plain, print_json, print_table
from hub.cli.session import classes, quiet

if TYPE_CHECKING:
    from pydantic import BaseModel

    from connectors.sdk import Connector, ObjectSpec
    from connectors.sdk.sandbox import Sandbox

PANEL = "Integrate"
app = typer.Typer()
connector = group(
    "The installed connectors.", "hub connector list", "hub connector docs github", listing=False
)
app.add_typer(connector, name="connector", rich_help_panel=PANEL)
Name = Annotated[str, typer.Argument(metavar="NAME", help="As hub connector list shows it.")]


@connector.command("list", epilog=example("hub connector list", "hub connector list --json"))
def list_connectors(json: Json = False) -> None:
    """List the installed connectors with what each can do."""
    quiet()
    found = [
        {"name": name, "title": cls.title, "roles": _roles(cls), "objects": sorted(cls.objects)}
        for name, cls in classes().items()
    ]
    if json:
        print_json(found)
    else:
        print_table(("name", "title", "roles", "objects"), [list(one.values()) for one in found])


def _roles(cls: type[Connector]) -> list[str]:
    from connectors.sdk import Receiver, Sink, Source, Subscriber

    known = {"source": Source, "sink": Sink, "receiver": Receiver, "subscriber": Subscriber}
    return [name for name, role in known.items() if issubclass(cls, role)]


def _connector(name: str) -> type[Connector]:
    from mappings.source import did_you_mean

    quiet()
    found = classes().get(name)
    if found is None:
        hint = did_you_mean(name, sorted(classes()))
        raise LookupError(f"There is no connector '{name}'. {hint}".strip())
    return found


# ------------------------------------------------------------------------------------------- docs


@connector.command("docs", epilog=example("hub connector docs github", "hub connector docs email"))
def docs(name: Name, json: Json = False) -> None:
    """Print what a connection may say in hub.yaml, and what can be done with each object."""
    cls = _connector(name)
    keys = list(_keys(cls.config))
    if json:
        objects = {key: _abilities(one) for key, one in cls.objects.items()}
        print_json(
            {"name": name, "title": cls.title, "roles": _roles(cls), "settings": keys,
             "objects": objects, "mappings": _mappings(cls)}
        )  # fmt: skip
        return
    typer.echo(f"# {cls.title} (`connector: {name}`)\n")
    summary = _summary(cls)
    if summary:
        typer.echo(f"{summary}\n")
    typer.echo("## What a connection may say\n")
    _markdown(
        ("key", "type", "default", "meaning"),
        [[f"`{one['key']}`", one["type"], _default(one), one["meaning"]] for one in keys],
    )
    typer.echo("\nSecrets are written as `env:NAME` or `secret:NAME`.\n\n## Objects\n")
    _markdown(
        ("object", "what it is", "abilities"),
        [
            [f"`{key}`", one.title, ", ".join(_abilities(one)["can"])]
            for key, one in cls.objects.items()
        ],
    )
    mappings = _mappings(cls)
    if mappings:
        typer.echo("\n## Mappings that apply where a workspace has none\n")
        for key, text in mappings.items():
            typer.echo(f"`{key}`\n\n```yaml\n{text.rstrip()}\n```\n")


def _summary(cls: type[Connector]) -> str:
    module = sys.modules[cls.__module__].__doc__ or ""
    return " ".join(module.split("\n\n")[0].split())


def _default(key: Mapping[str, Any]) -> str:
    if key["required"]:
        return "**required**"
    return "" if key["default"] in (None, "", [], {}) else f"`{key['default']}`"


def _markdown(columns: tuple[str, ...], rows: list[list[str]]) -> None:
    typer.echo(f"| {' | '.join(columns)} |")
    typer.echo(f"|{'|'.join(' --- ' for _ in columns)}|")
    for row in rows:
        typer.echo(f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |")


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[dict[str, Any]]:
    """Every key of a configuration model, dotted, depth first."""
    from pydantic import BaseModel
    from pydantic_core import PydanticUndefined

    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner = [
            kind
            for kind in _classes_in(field.annotation)
            if isinstance(kind, type) and issubclass(kind, BaseModel)
        ]
        default = None if field.default is PydanticUndefined else field.default
        yield {
            "key": key,
            "type": "mapping" if inner else _type_name(field.annotation),
            "required": field.is_required(),
            "default": None if isinstance(default, BaseModel) else _plain_default(default),
            "meaning": field.description or "",
        }
        for kind in inner:
            yield from _keys(kind, f"{key}.")


def _plain_default(value: Any) -> Any:
    if type(value).__name__ == "SecretStr":
        return None
    return plain(value)


def _classes_in(annotation: Any) -> Iterator[Any]:
    arguments = get_args(annotation)
    if not arguments:
        yield annotation
    for argument in arguments:
        yield from _classes_in(argument)


def _type_name(annotation: Any) -> str:
    """A type in the words of whoever writes YAML."""
    names = {str: "text", int: "number", float: "number", bool: "true or false", dict: "mapping"}
    origin = str(getattr(annotation, "__origin__", ""))
    kinds = []
    for kind in _classes_in(annotation):
        if kind is type(None):
            continue
        if isinstance(kind, type):
            word = "secret" if kind.__name__ == "SecretStr" else names.get(kind, kind.__name__)
            kinds.append(word.lower())
        elif isinstance(kind, str | int | bool):
            kinds.append(f"`{kind}`")
    listed = "list" in origin or "tuple" in origin or "list[" in str(annotation)
    text = " or ".join(dict.fromkeys(kinds)) or "anything"
    return f"list of {text}" if listed else text


def _abilities(spec: ObjectSpec) -> dict[str, Any]:
    can = [
        *(word for word in ("pull", "fetch", "find", "webhook") if getattr(spec, word)),
        *(f"push {op}" for op in sorted(spec.push)),
    ]
    return {
        "title": spec.title,
        "can": can,
        "deletes": spec.deletes,
        "batch": spec.batch,
        "parent": spec.parent,
    }


def _mappings(cls: type[Connector]) -> dict[str, str]:
    from hub.workspace.mapping_files import default_mappings

    return dict(default_mappings(cls))


# ---------------------------------------------------------------------------------------- sandbox


@app.command(
    rich_help_panel=PANEL,
    epilog=example("hub sandbox github --port 9001", "hub sandbox email --json"),
)
def sandbox(
    name: Annotated[str, typer.Argument(metavar="CONNECTOR", help="Whose vendor to play.")],
    port: Annotated[int, typer.Option(help="Where to listen; 0 picks one.", min=0, max=65535)] = 0,
    webhook: Annotated[
        str | None, typer.Option(help="Where to send webhooks: an address of your hub.")
    ] = None,
    json: Json = False,
) -> None:
    """Run a small server that behaves like the vendor, on this machine only.

    Prints what to write under connections: in hub.yaml and the variables that it names, and runs
    until it is told to stop. Its state is gone afterwards.
    """
    cls = _connector(name)
    place: str | None = getattr(cls, "sandbox", None)
    if not place:
        fail(f"the connector '{name}' has no sandbox.")
    module, _, kind = place.partition(":")
    running: Sandbox = getattr(import_module(module), kind)()
    running.webhook_url = webhook
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    try:
        running.start(port)
    except OSError as error:
        fail(f"cannot listen on port {port}: {error.strerror}. Choose another with --port.")
    try:
        _show(name, running, json=json)
        told.wait()
    finally:
        running.stop()


def _show(name: str, running: Sandbox, *, json: bool) -> None:
    """How to reach a sandbox; the environment lines can be pasted into a shell."""
    import yaml

    url = getattr(running, "url", None)
    if json:
        print_json({"url": url, "connection": {name: running.connection()}, "env": running.env()})
    else:
        block = {"connections": {name: running.connection()}}
        typer.echo(yaml.safe_dump(block, sort_keys=False, allow_unicode=True), nl=False)
        for variable, value in running.env().items():
            typer.echo(f"export {variable}={shlex.quote(value)}")
    note(f"The {name} sandbox runs{f' on {url}' if url else ''}; stop it with Ctrl-C.")
    sys.stdout.flush()

"""Commands for integrators: which connectors there are, a new one, and whether one keeps what it
declares.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.output import Json, example, fail, group, note, print_json, print_table
from hub.cli.session import classes, quiet

if TYPE_CHECKING:
    from connectors.sdk import Connector
    from connectors.sdk.conformance import Finding, Scorecard

PANEL = "Integrate"
app = typer.Typer()
connector = group(
    "The installed connectors, and making one.",
    "hub connector list",
    "hub connector new my_tracker",
    "hub connector test github",
    listing=False,
)
app.add_typer(connector, name="connector", rich_help_panel=PANEL)
Name = Annotated[str, typer.Argument(metavar="NAME", help="As hub connector list shows it.")]


@connector.command("list", epilog=example("hub connector list", "hub connector list --json"))
def list_connectors(json: Json = False) -> None:
    """List the installed connectors with what each can do, and the tier that it claims."""
    from hub.connector_docs import ROLES

    quiet()
    found = [
        {
            "name": name,
            "title": cls.title,
            "tier": cls.tier.name.lower(),
            "roles": [role for role, kind in ROLES.items() if issubclass(cls, kind)],
            "objects": sorted(cls.objects),
        }
        for name, cls in classes().items()
    ]
    if json:
        print_json(found)
    else:
        columns = ("name", "title", "tier", "roles", "objects")
        print_table(columns, [list(one.values()) for one in found])


def known(name: str) -> type[Connector]:
    """An installed connector by its name. Raises LookupError with what is near."""
    from mappings.source import did_you_mean

    quiet()
    found = classes().get(name)
    if found is None:
        hint = did_you_mean(name, sorted(classes()))
        raise LookupError(f"There is no connector '{name}'. {hint}".strip())
    return found


@connector.command("docs", epilog=example("hub connector docs github", "hub connector docs email"))
def docs(name: Name, json: Json = False) -> None:
    """Print what a connection may say in hub.yaml, and what can be done with each object."""
    from hub.connector_docs import described, page

    cls = known(name)
    if json:
        print_json(described(name, cls))
    else:
        typer.echo(page(name, cls))


# -------------------------------------------------------------------------------------------- new


@connector.command(
    "new", epilog=example("hub connector new my_tracker", "hub connector new desk --dir ~/src/desk")
)
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower-case words joined by _.")],
    dir: Annotated[
        Path | None, typer.Option(help="Where to put it; else hub-NAME here.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Make a connector package that works, and whose tests pass, before you edit it."""
    from hub.scaffold import new_connector

    folder = dir or Path(f"hub-{name.replace('_', '-')}")
    try:
        written = new_connector(name, folder)
    except ValueError as error:
        fail(str(error), 2)
    except FileExistsError as error:
        fail(str(error))
    if json:
        print_json({"folder": str(folder), "files": [str(one) for one in written]})
        return
    for one in written:
        typer.echo(one)
    note(
        f"\nNext:\n  cd {folder}\n  pip install -e '.[test]'\n  hub connector test .\n"
        f"Then make hub_{name}/connector.py and hub_{name}/sandbox.py those of your system."
    )


# ------------------------------------------------------------------------------------------- test


@connector.command(
    "test",
    epilog=example(
        "hub connector test .", "hub connector test github", "hub connector test . --check creates"
    ),
)
def play(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A connector's folder, or the name of one.")
    ],
    check: Annotated[
        list[str] | None, typer.Option(help="Only this check; may be given several times.")
    ] = None,
    json: Json = False,
) -> None:
    """Play the conformance kit against a connector's sandbox, and print a scorecard.

    Ends with 1 where a check fails or the connector claims another tier than it earns.
    """
    from connectors.sdk.conformance import CHECKS, certify
    from hub import conformance  # noqa: F401 - adds the checks of mappings

    quiet()
    cls = found_at(path)
    unknown = sorted(set(check or ()) - set(CHECKS))
    if unknown:
        from mappings.source import did_you_mean

        fail(f"there is no check '{unknown[0]}'. {did_you_mean(unknown[0], sorted(CHECKS))}", 2)
    chosen = [CHECKS[name] for name in check] if check else list(CHECKS.values())
    if json:
        card = certify(cls, chosen)
        print_json(_plain(card))
    else:
        typer.echo(f"{cls.title}: {len(chosen)} checks against its sandbox\n")
        card = certify(cls, chosen, _show)
        _sum_up(card, whole=not check)
    if card.failed or (not check and card.tier != cls.tier):
        raise typer.Exit(1)


def found_at(path: str) -> type[Connector]:
    """The connector of a name, or of a folder: what its pyproject.toml registers, or an installed
    one that lives there.
    """
    import importlib
    import sys
    import tomllib

    folder = Path(path)
    if not folder.exists():
        return known(path)
    folder = folder.resolve()
    project = folder / "pyproject.toml"
    places: dict[str, str] = {}
    if project.is_file():
        table = tomllib.loads(project.read_text("utf-8")).get("project", {})
        places = table.get("entry-points", {}).get("hub.connectors", {})
        if len(places) != 1:
            fail(
                f"{project} registers {len(places)} connectors under"
                ' [project.entry-points."hub.connectors"]; name the one to test.'
            )
        sys.path.insert(0, str(folder))
    else:
        for installed in classes().values():
            file = sys.modules[installed.__module__].__file__
            if file and Path(file).resolve().parent == folder:
                return installed
        fail(f"there is no pyproject.toml in {folder}, and it is no installed connector's folder.")
    module_name, _, kind = next(iter(places.values())).partition(":")
    cls: type[Connector] = getattr(importlib.import_module(module_name), kind)
    return cls


_MARKS = {"passed": "✓", "failed": "✗", "waived": "~", "not applicable": "·"}


def _show(finding: Finding) -> None:
    name = finding.check.name
    typer.echo(f"  {_MARKS[finding.verdict]} {finding.check.tier.name.lower():6} {name}")
    if finding.verdict == "failed":
        typer.echo(f"      {finding.detail}\n      Why it matters: {finding.check.why}")
    elif finding.detail and finding.verdict != "passed":
        typer.echo(f"      {finding.verdict}: {finding.detail}")


def _sum_up(card: Scorecard, *, whole: bool) -> None:
    from connectors.sdk import Tier

    rows: list[list[Any]] = []
    for tier in (Tier.BRONZE, Tier.SILVER, Tier.GOLD):
        of_tier = [one.verdict for one in card.findings if one.check.tier == tier]
        rows.append([tier.name.lower(), *(of_tier.count(verdict) for verdict in _MARKS)])  # type: ignore[arg-type]
    typer.echo("")
    print_table(("tier", *_MARKS), rows)
    if not whole:
        return
    earned, claimed = card.tier.name.lower(), card.cls.tier.name.lower()
    typer.echo(f"\n{card.cls.title} earns {earned}.")
    if earned != claimed:
        note(f"It claims {claimed}: set `tier` to Tier.{card.tier.name}.")


def _plain(card: Scorecard) -> dict[str, Any]:
    return {
        "name": card.cls.name,
        "tier": card.tier.name.lower(),
        "claimed": card.cls.tier.name.lower(),
        "checks": [
            {
                "name": one.check.name,
                "tier": one.check.tier.name.lower(),
                "why": one.check.why,
                "verdict": one.verdict,
                "detail": one.detail,
                "objects": list(one.objects),
            }
            for one in card.findings
        ],
    }

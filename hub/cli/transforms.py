"""The transforms that a mapping's `as` may name, those that other packages brought among them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hub.cli.output import Json, example, fail, note, print_json, print_table

PANEL = "Integrate"
app = typer.Typer()
Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this one, in full.")]


@app.command(
    rich_help_panel=PANEL,
    epilog=example("hub transforms", "hub transforms datetime", "hub transforms --json"),
)
def transforms(name: Name = None, json: Json = False) -> None:
    """List what `as` in a mapping may name: parameters, an example, and whether it has a way back.

    A transform that an installed package brings and that does not load is told on standard error.
    """
    from hub.cli.session import quiet
    from hub.transform_docs import described
    from hub.transforms import brought_transforms
    from mappings.transforms import TRANSFORMS
    from mappings.transforms.other_names import transform_hint

    quiet()
    brought = brought_transforms()
    origin = {one.name: one.distribution for one in brought if not one.problem}
    for one in brought:
        if one.problem:
            note(f"warning: the transform '{one.name}' of {one.distribution}: {one.problem}.")
    if name is not None and name not in TRANSFORMS:
        fail(f"there is no transform '{name}'. {transform_hint(name, TRANSFORMS)}", 2)
    chosen = sorted(TRANSFORMS) if name is None else [name]
    found = [
        {**described(TRANSFORMS[each]), "package": origin.get(each, "process-hub")}
        for each in chosen
    ]
    if json:
        print_json(found if name is None else found[0])
    elif name is not None:
        _whole(found[0])
    else:
        columns = ("name", "parameters", "ways", "example", "about")
        print_table(columns, [_row(one) for one in found])


def _row(one: dict[str, Any]) -> list[str]:
    shown = one["examples"][0]["as"] if one["examples"] else ""
    names = ", ".join(param["name"] for param in one["parameters"])
    return [one["name"], names, _ways(one), shown, one["about"]]


def _ways(one: dict[str, Any]) -> str:
    return {True: "both", False: "in", None: "?"}[one["both_ways"]]


def _whole(one: dict[str, Any]) -> None:
    from hub.transform_docs import shown

    typer.echo(f"{one['name']}: {one['about']}\n")
    typer.echo(f"ways: {_ways(one)}; package: {one['package']}")
    if one["lossy"]:
        typer.echo(f"the way there and back loses {one['lossy']}")
    for param in one["parameters"]:
        told = ", ".join(param["choices"]) or param["kind"]
        need = ", needed" if param["required"] else ""
        typer.echo(f"  {param['name']} ({told}{need}): {param['about']}")
    for each in one["examples"]:
        back = "" if each["out"] is None else f" → {shown(each['out'])}"
        typer.echo(f"\nas: {each['as']}\n  {shown(each['in'])} → {shown(each['here'])}{back}")
    for told in one["notes"]:
        typer.echo(f"\n{told}")

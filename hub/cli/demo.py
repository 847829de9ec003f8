"""`hub demo`: the product in one minute, on this machine alone."""

from __future__ import annotations

from typing import Annotated

import typer

from hub.cli.output import example, fail

PANEL = "Begin"
app = typer.Typer()


@app.command(
    rich_help_panel=PANEL,
    epilog=example(
        "hub demo", "hub demo --story order-to-cash", "hub demo --headless --json --seed 4"
    ),
)
def demo(
    story: Annotated[
        str, typer.Option(help="Which story to play: onboarding, order-to-cash or incident.")
    ] = "onboarding",
    headless: Annotated[
        bool, typer.Option("--headless", help="Play it to the end, print what happened, and leave.")
    ] = False,
    port: Annotated[
        int, typer.Option(help="Port of the dashboard; 0: 8080, or a free one.", min=0, max=65535)
    ] = 0,
    seed: Annotated[int, typer.Option(help="Which customers; the same seed, the same ones.")] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --headless: what happened, as JSON.")
    ] = False,
) -> None:
    """Play a story across several tools and an outsider: an onboarding, or another of the examples.

    Starts sandboxes of these tools and a hub on a throw-away workspace; then people act, each in
    their own tool. Exits 1 if any step of the story failed.
    """
    from hub.demo.run import headless as play_headless
    from hub.demo.run import interactive
    from hub.demo.stories import STORIES

    if story not in STORIES:
        fail(f"There is no story '{story}'. Stories: {', '.join(STORIES)}.", code=2)
    if as_json and not headless:
        fail("--json goes with --headless.", code=2)
    if headless:
        raise typer.Exit(play_headless(story, port, seed, as_json=as_json))
    raise typer.Exit(interactive(story, port, seed))

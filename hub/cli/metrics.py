"""`hub metrics`: how processes fare, from what their cases went through."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hub.cli.output import Json, example, print_details, print_json, print_table
from hub.cli.session import reading

app = typer.Typer()


@app.command(
    "metrics",
    rich_help_panel="Look and act",
    epilog=example("hub metrics customer-onboarding", "hub metrics --json"),
)
def metrics(
    process: Annotated[
        str | None, typer.Argument(help="A process; without one, all of them together.")
    ] = None,
    json: Json = False,
) -> None:
    """Show how a process fares: how long it takes, how reliably, who held the work.

    Times are in hours. What is internal, external and system adds up to the time that passed.
    """
    from hub.process.figures import measure

    with reading() as (hub, tx):
        found = measure(tx, process, hub.clock())
        known = hub.live.current().workspace.processes if process and not found.count else ()
    if process and not found.count and process not in known:
        raise LookupError(f"There is no process '{process}'. See: hub cases")
    if json:
        print_json(found)
        return
    delay, wrong, said = found.handoff_delay, found.exceptions, found.proposals
    print_details(
        {
            "cases": f"{found.count} started, {found.active} open, {found.completed} completed,"
            f" {found.terminated} ended early",
            "cycle time": f"half within {_hours(found.cycle_time.p50)}, nine of ten within"
            f" {_hours(found.cycle_time.p90)}",
            "on time": _share(found.service_level),
            "completed a week": found.throughput_per_week,
            "held": f"internal {_hours(found.held.internal)}, external"
            f" {_hours(found.held.external)}, system {_hours(found.held.system)}, of"
            f" {_hours(found.elapsed)}",
            "begun anew": f"{found.rework.runs} runs of steps ({_share(found.rework.rate)})",
            "handoffs": f"{delay.count} accepted, half within {_hours(delay.p50)}, nine of ten"
            f" within {_hours(delay.p90)}",
            "exceptions": f"{wrong.count}, {wrong.per_100_cases or 0:g} per 100 cases",
            "proposals": f"{said.answered} answered, {said.overridden} overridden"
            f" ({_share(said.rate)})",
        }
    )
    typer.echo("")
    names = (
        "step", "runs", "open", "p50", "p90", "on time", "internal", "external", "system", "anew",
    )  # fmt: skip
    print_table(
        names,
        [
            (
                one.key if process else f"{one.process}/{one.key}",
                one.count,
                one.active,
                _hours(one.cycle_time.p50),
                _hours(one.cycle_time.p90),
                _share(one.service_level),
                _hours(one.held.internal),
                _hours(one.held.external),
                _hours(one.held.system),
                one.rework.runs,
            )
            for one in found.steps
        ],
        empty="No step has begun.",
    )
    if found.holders:
        typer.echo("")
        rows: list[tuple[Any, ...]] = [
            (one.name, one.side, _hours(one.seconds)) for one in found.holders
        ]
        print_table(("who had it", "side", "hours"), rows)


def _hours(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds / 3600:,.1f} h"


def _share(per_cent: float | None) -> str:
    return "-" if per_cent is None else f"{per_cent:g} %"

"""Running a vendor's sandbox alone, with its faults switched on."""

from __future__ import annotations

import re
import shlex
import signal
import sys
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from hub.cli.connector import PANEL, known
from hub.cli.output import Json, example, fail, note, print_json

if TYPE_CHECKING:
    from connectors.sdk.sandbox import Sandbox

app = typer.Typer()
RATE = "60"


class Switches(TyperCommand):
    """`--rate-limit` may stand alone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for place in [at for at, one in enumerate(args) if one == "--rate-limit"][::-1]:
            if place + 1 == len(args) or args[place + 1].startswith("-"):
                args = [*args[: place + 1], RATE, *args[place + 1 :]]
        return super().parse_args(ctx, args)


@app.command(
    cls=Switches,
    rich_help_panel=PANEL,
    epilog=example(
        "hub sandbox github --port 9001",
        "hub sandbox jira --flaky 0.2 --lag 30s",
        "hub sandbox salesforce --rate-limit 60 --empty",
    ),
)
def sandbox(
    name: Annotated[str, typer.Argument(metavar="CONNECTOR", help="Whose vendor to play.")],
    port: Annotated[int, typer.Option(help="Where to listen; 0 picks one.", min=0, max=65535)] = 0,
    webhook: Annotated[
        str | None, typer.Option(help="Where to send webhooks: an address of your hub.")
    ] = None,
    empty: Annotated[bool, typer.Option("--empty", help="Put no records in.")] = False,
    seed: Annotated[int, typer.Option(help="Makes what is random repeatable.")] = 1,
    rate_limit: Annotated[
        int | None,
        typer.Option(
            help="Requests a minute, above which 429 is answered; 60 without a number.",
            min=1,
        ),
    ] = None,
    flaky: Annotated[
        float, typer.Option(help="Share of requests that fail with 503.", min=0, max=1)
    ] = 0.0,
    lag: Annotated[
        str, typer.Option(help="How far lists and searches run behind, as 30s or 2m.")
    ] = "0s",
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Refuse every write: proof that nothing writes.")
    ] = False,
    json: Json = False,
) -> None:
    """Run a small server that behaves like the vendor, on this machine only.

    Prints what to write under connections: in hub.yaml and the variables that it names, and runs
    until it is told to stop. Its state is gone afterwards.
    """
    cls = known(name)
    module, _, kind = cls.sandbox.partition(":")
    running: Sandbox = getattr(import_module(module), kind)()
    running.luck, running.webhook_url = seed, webhook
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    try:
        running.start(port)
    except OSError as error:
        fail(f"cannot listen on port {port}: {error.strerror}. Choose another with --port.")
    try:
        if not empty:
            running.populate()
        _switch(running, rate_limit, flaky, _seconds(lag), read_only=read_only)
        _show(name, running, json=json)
        told.wait()
    finally:
        running.stop()


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)?", text)
    if found is None:
        fail(f"--lag cannot be '{text}'. Write it as 30s or 2m.", 2)
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2] or "s"]


def _switch(
    running: Sandbox, rate_limit: int | None, flaky: float, lag: float, *, read_only: bool
) -> None:
    from connectors.sdk.sandbox import HttpSandbox, Inapplicable

    wanted = rate_limit is not None or flaky or read_only
    if wanted and not isinstance(running, HttpSandbox):
        note(f"The {running.name} sandbox does not speak HTTP: these switches change little there.")
    faults = running.faults
    faults.per_minute, faults.flaky, faults.read_only = rate_limit, flaky, read_only
    if lag:
        try:
            running.drill().lag(lag)
        except Inapplicable as reason:
            note(f"--lag changes nothing at this vendor: {reason}.")


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

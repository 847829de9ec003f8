"""Commands that run a hub: everything in one process, or the parts of a scaled one."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub import memory
from hub.cli.output import Json, example, fail, print_json
from hub.cli.session import classes, folder_of, name_workspace, opened, settings_for

if TYPE_CHECKING:
    from hub.hub import Hub
    from hub.settings import Settings

PANEL = "Run"
app = typer.Typer()

Port = Annotated[int, typer.Option(help="Where to listen; 0 picks a free one.", min=0, max=65535)]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Refuse a database that could lose what it acknowledged.")
]
Threads = Annotated[int, typer.Option(help="Threads for work.", min=1, max=128)]


@app.command(
    rich_help_panel=PANEL,
    epilog=example("hub up", "hub up --port 9000 --workspace acme-ops", "hub up --person dana"),
)
def up(
    port: Port = 8080,
    host: Host = "127.0.0.1",
    strict: Strict = False,
    workspace: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The workspace; else HUB_WORKSPACE, or here.")
    ] = None,
    person: Annotated[
        str | None, typer.Option(help="Whom the sign-in link is for; else an administrator.")
    ] = None,
    threads: Threads = 4,
) -> None:
    """Run everything in this process: web, workers and scheduler.

    Applies the workspace first, by the rule of hub apply. Prints the address and a sign-in link
    that works once, then serves until it is told to stop.
    """
    if workspace is not None:
        name_workspace(workspace)
    settings = settings_for()
    settings = replace(settings, strict=strict or settings.strict)
    memory.begin()
    from hub import serve
    from hub.cli.files import apply_folder
    from hub.hub import open_hub

    serve.configure_logging(settings.log)
    with nullcontext() if settings.scaled else serve.alone(settings.home):
        hub = open_hub(settings, classes())
        try:
            _check(hub, settings)
            applied = apply_folder(hub, folder_of())
            sock = serve.listen(host, port)
            typer.echo(
                f"revision {applied.revision} is in force" + ("" if applied.new else ", as before"),
                err=True,
            )
            serve.up(hub, sock, lambda: _announce(hub, serve.address_of(sock), person), threads)
        finally:
            hub.live.close()
            hub.database.close()


def _check(hub: Hub, settings: Settings) -> None:
    from hub.serve import check_durability

    try:
        check_durability(hub, settings)
    except RuntimeError as error:
        fail(str(error))


def _announce(hub: Hub, address: str, person: str | None) -> None:
    from hub import identity

    base = hub.settings.public_url or address
    typer.echo(f"listening on {address}")
    typer.echo(f"sign in: {identity.sign_in_link(hub, base, person)}")
    sys.stdout.flush()


@app.command(
    rich_help_panel=PANEL,
    epilog=example("hub web --host 0.0.0.0 --port 8080", "hub web --reuse-port"),
)
def web(
    port: Port = 8080,
    host: Host = "127.0.0.1",
    strict: Strict = False,
    reuse_port: Annotated[
        bool, typer.Option("--reuse-port", help="Share the port with other hub web processes.")
    ] = False,
) -> None:
    """Answer HTTP only; any number beside workers and a scheduler. Needs Redis and PostgreSQL.

    One process uses one core. With --reuse-port several of them on one machine listen on the same
    port, and the system shares connections out among them.
    """
    settings = _scaled("web", strict=strict)
    memory.begin()
    from hub import serve
    from hub.hub import open_hub
    from hub.jobs.broker import Jobs

    serve.configure_logging(settings.log)
    hub = open_hub(settings, classes())
    _check(hub, settings)
    sock = serve.listen(host, port, shared=reuse_port)
    jobs = Jobs(hub)  # wakes the workers
    try:
        serve.web(hub, sock, lambda: typer.echo(f"listening on {serve.address_of(sock)}"))
    finally:
        jobs.stop()
        hub.live.close()
        hub.database.close()


@app.command(rich_help_panel=PANEL, epilog=example("hub worker --threads 16"))
def worker(threads: Threads = 8) -> None:
    """Do the work; any number of them. Needs Redis and PostgreSQL."""
    settings = _scaled("worker")
    memory.begin()
    from hub import serve
    from hub.hub import open_hub

    serve.configure_logging(settings.log)
    hub = open_hub(settings, classes())
    typer.echo(f"working with {threads} threads")
    sys.stdout.flush()
    serve.worker(hub, threads)
    hub.database.close()


@app.command(rich_help_panel=PANEL, epilog=example("hub scheduler"))
def scheduler() -> None:
    """Keep the clocks; run two, one leads and one stands by. Needs Redis and PostgreSQL."""
    settings = _scaled("scheduler")
    from hub import serve
    from hub.hub import open_hub

    serve.configure_logging(settings.log)
    hub = open_hub(settings, classes())
    typer.echo("scheduling")
    sys.stdout.flush()
    serve.schedule(hub)
    hub.database.close()


def _scaled(what: str, *, strict: bool = False) -> Settings:
    settings = settings_for()
    if not settings.scaled:
        fail(
            f"hub {what} is a part of a scaled hub and HUB_REDIS_URL is not set."
            " Set it, and HUB_DATABASE_URL; or run everything in one process with: hub up"
        )
    return replace(settings, strict=strict or settings.strict)


@app.command(
    rich_help_panel=PANEL,
    epilog=example("hub migrate", "HUB_DATABASE_URL=postgresql://hub@db/hub hub migrate"),
)
def migrate(json: Json = False) -> None:
    """Bring the database's schema to this version's. Safe to repeat."""
    with opened() as hub, hub.database.read() as tx:
        version = tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    if json:
        print_json({"schema": version})
    else:
        typer.echo(f"The schema is at {version}.")


@app.command(
    "sign-in", rich_help_panel=PANEL, epilog=example("hub sign-in", "hub sign-in --person dana")
)
def sign_in(
    person: Annotated[
        str | None, typer.Option(help="Key in people.yaml; needed to decide and accept.")
    ] = None,
    role: Annotated[str, typer.Option(help="admin, operator or member.")] = "admin",
    url: Annotated[
        str | None, typer.Option(help="Where the hub answers; else HUB_PUBLIC_URL.")
    ] = None,
    json: Json = False,
) -> None:
    """Print a link that signs one browser in, once, within half an hour."""
    from hub import identity

    if role not in ("admin", "operator", "member"):
        fail(f"'{role}' cannot sign in. Write admin, operator or member.", 2)
    with opened() as hub:
        base = (url or hub.settings.public_url or "http://127.0.0.1:8080").rstrip("/")
        link = identity.sign_in_link(hub, base, person, role)
    if json:
        print_json({"url": link})
    else:
        typer.echo(link)

"""`hub sign`: a request as the vendor would send it, with a right signature, to test an address."""

from __future__ import annotations

import json as json_module
import shlex
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qsl, urlsplit

import typer

from hub.cli.output import example, fail, note, print_json, safe_text
from hub.cli.session import folder_of, having, opened

if TYPE_CHECKING:
    from connectors.sdk import Delivery
    from hub.hub import Hub

app = typer.Typer()
LOCAL = "http://127.0.0.1:8080"
SECONDS = 30.0


@app.command(
    rich_help_panel="Look and act",
    epilog=example(
        "hub sign github samples/issue.json --header X-GitHub-Event:issues --send",
        "hub sign github samples/issue.json > send.sh",
        "hub sign crm - --url https://hub.acme.example/webhooks/crm < record.json",
    ),
)
def sign(
    connection: Annotated[str, typer.Argument(metavar="CONNECTION", help="As hub.yaml has it.")],
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The body, byte for byte; - for stdin.")
    ],
    url: Annotated[
        str | None,
        typer.Option(help="Where to; else the running hub, or HUB_PUBLIC_URL.", show_default=False),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME:VALUE", help="A further header; repeat it.", show_default=False),
    ] = None,
    delivery_id: Annotated[
        str | None, typer.Option(help="The vendor's id of the delivery; else made up.")
    ] = None,
    content_type: Annotated[
        str | None, typer.Option(help="Else application/json where it is JSON, or by --header.")
    ] = None,
    send: Annotated[bool, typer.Option("--send", help="Send it, and print the answer.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON: the request, and the answer with --send.")
    ] = False,
) -> None:
    """Print a curl command with a right signature; with --send, send it and print the answer.

    The secret is the connection's newest and is never printed; a token in the address is, as the
    request needs it. With --send, exit code 1 if it was not accepted.
    """
    body, path = _body(file)
    headers = _headers(header or [])
    if content_type:
        headers["content-type"] = content_type
    with opened() as hub:
        target = url or _target(hub, connection)
        signed = _signed(hub, connection, target, headers, body, delivery_id or "")
        _warn(hub, connection, signed, delivery_id)
    if not send:
        if json:
            print_json(_request(signed))
        else:
            _print_curl(signed, path)
        return
    status, answer = _sent(signed)
    if json:
        print_json({**_request(signed), "status": status, "answer": answer})
    else:
        typer.echo(f"{status} {safe_text(answer)}")
    if not 200 <= status < 300:
        note(f"Why it was refused shows: hub listen {connection} --last 5")
        raise typer.Exit(1)


def _body(file: str) -> tuple[bytes, Path | None]:
    if file == "-":
        return sys.stdin.buffer.read(), None
    path = Path(file)
    if not path.exists() and (folder_of() / path).is_file():
        path = folder_of() / path
    return path.read_bytes(), path


def _type_of(body: bytes) -> str:
    try:
        json_module.loads(body)
    except (ValueError, RecursionError):
        return "application/xml" if body.lstrip().startswith(b"<") else "application/octet-stream"
    return "application/json"


def _headers(given: list[str]) -> dict[str, str]:
    found = {}
    for one in given:
        name, colon, value = one.partition(":")
        if not colon or not name.strip() or not (name + value).isprintable():
            fail(f"--header cannot be '{one}'. Write NAME:VALUE.", 2)
        found[name.strip().lower()] = value.strip()
    return found


def _target(hub: Hub, connection: str) -> str:
    from hub import heartbeat

    base = heartbeat.address(hub) or hub.settings.public_url or LOCAL
    webhook = having(hub, connection).connector(connection).settings.webhook
    token = f"/{webhook.token.get_secret_value()}" if webhook.token else ""
    return f"{base}/webhooks/{connection}{token}"


def _signed(
    hub: Hub, connection: str, url: str, headers: dict[str, str], body: bytes, id: str
) -> Delivery:
    from connectors.sdk import ConfigError, Delivery, Receiver

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        fail(f"--url cannot be '{url}'. Write http:// or https:// with a host.", 2)
    connector = having(hub, connection).connector(connection)
    if not isinstance(connector, Receiver):
        fail(f"{connector.title} sends no webhooks, so there is nothing to sign.")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    plain = Delivery("POST", url, headers, body, datetime.now(UTC), query)
    try:
        signed = connector.sign(plain, id=id)
    except ConfigError:
        if not connector.settings.webhook.unsigned:
            raise
        signed = plain  # it takes deliveries without any proof, and there is no secret
    if "content-type" in signed.headers:
        return signed
    return replace(signed, headers={**signed.headers, "content-type": _type_of(signed.body)})


def _warn(hub: Hub, connection: str, signed: Delivery, id: str | None) -> None:
    """Say beforehand what the hub would not make out in it."""
    from connectors.sdk import PayloadError, Receiver

    connector = having(hub, connection).connector(connection)
    if id and id.encode() not in signed.body and id not in signed.headers.values():
        note(
            "--delivery-id is nowhere in it: this sender names its deliveries in the body, or not."
        )
    if not isinstance(connector, Receiver):
        return
    try:
        connector.parse(signed)
    except PayloadError as error:
        header = error.place.removeprefix("header:")
        named = f" Add --header '{header}: …'" if header.lower().endswith("-event") else ""
        note(f"As it is, it would be taken and then put aside: {error}{named}")


def _request(signed: Delivery) -> dict[str, Any]:
    return {"method": signed.method, "url": signed.url, "headers": dict(signed.headers)}


def _print_curl(signed: Delivery, path: Path | None) -> None:
    """The body is named where it is a file that was left as it was, and else written out."""
    lines = [f"curl --request {signed.method} {shlex.quote(signed.url)}"]
    lines += [f"--header {shlex.quote(f'{n}: {v}')}" for n, v in signed.headers.items()]
    if path is not None and path.read_bytes() == signed.body:
        lines.append(f"--data-binary {shlex.quote(f'@{path}')}")
    else:
        try:
            lines.append(f"--data-binary {shlex.quote(signed.body.decode())}")
        except UnicodeDecodeError:
            fail("the body is no text: give it as a file, so that curl can read it from there.")
    typer.echo(" \\\n  ".join(lines))


def _sent(signed: Delivery) -> tuple[int, str]:
    import httpx

    try:
        answer = httpx.request(
            signed.method,
            signed.url,
            headers=signed.headers,
            content=signed.body,
            timeout=SECONDS,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        where = urlsplit(signed.url)
        fail(
            f"{where.scheme}://{where.netloc} does not answer: {error or type(error).__name__}."
            " Is a hub running there? Name another with --url."
        )
    return answer.status_code, answer.text[:4000]

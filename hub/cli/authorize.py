"""The command that lets a person agree to a connection in the browser of this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

import typer

from hub.cli.output import Json, fail, note, print_json
from hub.cli.session import opened

PATH = "/oauth/callback"
PORT = 8765
"""The usual port of the listener: vendors want to be told the whole address beforehand."""
SECONDS = 600.0

Answered = Callable[[Mapping[str, str]], "tuple[int, str] | None"]


def authorize(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As hub.yaml has it.")],
    port: Annotated[
        int, typer.Option(help="Where this machine listens for the answer; 0 picks a free one.")
    ] = PORT,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the browser, or only print.")
    ] = True,
    json: Json = False,
) -> None:
    """Agree in a browser that a connection may act for you, then resume it.

    Register the printed redirect address at the vendor first. Where the hub runs on another
    machine, ask it for an address instead: GET /api/v1/connections/NAME/authorize
    """
    from connectors.sdk import ConnectorError
    from hub.cli.session import having
    from hub.flow import consent as flow

    done = threading.Event()
    failures: list[str] = []
    with opened() as hub:
        having(hub, name)
        begun = None
        turn = threading.Lock()

        def answered(answer: Mapping[str, str]) -> tuple[int, str] | None:
            with turn:
                if done.is_set() or begun is None or answer.get("state") != begun.state:
                    return None
                try:
                    flow.finish(hub, name, begun, answer)
                except ConnectorError as error:
                    failures.append(str(error))
                finally:
                    done.set()
            return (400, failures[0]) if failures else (200, f"{name} is connected.")

        with _listening(port, answered) as address:
            try:
                begun = flow.begin(hub, name, address)
            except ConnectorError as error:
                fail(str(error))
            note(f"The vendor sends the browser back to {address}")
            note("Agree here, within ten minutes:")
            (note if json else typer.echo)(begun.url)
            if browser:
                typer.launch(begun.url)
            if not done.wait(SECONDS):
                fail("nobody agreed within ten minutes. Begin again.")
    if failures:
        fail(failures[0])
    if json:
        print_json({"name": name, "authorized": True})
    else:
        typer.echo(f"{name} is connected.")


@contextmanager
def _listening(port: int, answered: Answered) -> Iterator[str]:
    """Listen on this machine only; the address to send the browser back to. `answered` is None for
    an answer that is not the one awaited.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 3
        """Seconds; browsers open connections that they may never use."""

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path != PATH:
                self._say(404, "There is nothing here.")
                return
            said = answered(dict(parse_qsl(parts.query)))
            self._say(*(said or (400, "This sign-in is not the one that was begun.")))

        def _say(self, status: int, text: str) -> None:
            body = f"{text} You can close this page.\n".encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """The address holds the code: it is not logged."""

    class Server(ThreadingHTTPServer):
        daemon_threads = False
        """The last answer is given before the command ends."""

    try:
        server = Server(("127.0.0.1", port), Handler)
    except OSError as error:
        fail(f"cannot listen on port {port}: {error.strerror}. Choose another with --port.")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}{PATH}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

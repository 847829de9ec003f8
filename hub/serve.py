"""Running: everything in one process (`up`), or the parts of a scaled hub (`web`, `worker`,
`scheduler`).
"""

from __future__ import annotations

import fcntl
import logging
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import IO

import structlog
import uvicorn

from hub import memory
from hub.app import Application
from hub.hub import Hub
from hub.settings import Settings
from hub.store import cursors, dialect, inbox, outbox, queue, records, subscriptions
from hub.stream import telling
from webhooks.server import DeadlineHttpProtocol, server_config

log = structlog.get_logger("hub")


class AlreadyRunning(RuntimeError):
    """Another hub works on this workspace."""


def configure_logging(kind: str, level: str = "INFO") -> None:
    """Log lines for people (`text`) or machines (`json`), to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    final: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if kind == "json"
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                # the pretty one prints local variables, and with them secrets
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    )
    structlog.configure(
        processors=[*shared, *final],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(message)s"
    )


def check_durability(hub: Hub, settings: Settings) -> None:
    """Warn loudly of a database that could lose what was acknowledged; with `strict`, refuse.
    Raises RuntimeError.
    """
    with hub.database.read() as tx:
        problems = dialect.durability_problems(tx)
    for problem in problems:
        if settings.strict:
            raise RuntimeError(f"{problem} (refused because of --strict)")
        log.warning(f"NOT SAFE FOR PRODUCTION: {problem}")


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Hold the folder's lock, so that one process at a time runs an embedded hub on it. Raises
    AlreadyRunning.
    """
    home.mkdir(parents=True, exist_ok=True)
    handle: IO[str] = (home / "hub.lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise AlreadyRunning(
            f"Another hub runs on {home.parent}. Stop it first, or name another folder."
        ) from None
    try:
        yield
    finally:
        handle.close()


def _recover(hub: Hub) -> None:
    """What the last process was doing when it died is up again at once."""
    with hub.database.write() as tx:
        queue.recover(tx, inbox.DELIVERIES)
        queue.recover(tx, records.RECORDS)
        queue.recover(tx, outbox.PUSHES, queue.SETTLE)
        cursors.recover_pulls(tx)
        subscriptions.recover(tx)


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket; port 0 picks a free one. `shared`: other processes listen on the same
    port, and the system shares connections out among them. Raises OSError in words.
    """
    try:
        return socket.create_server((host, port), backlog=1024, reuse_port=shared)
    except OSError as error:
        raise OSError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Choose another with --port."
        ) from error


def address_of(sock: socket.socket) -> str:
    """The address that a listening socket answers on."""
    host, port = sock.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    return f"http://{shown}:{port}"


def up(
    hub: Hub,
    sock: socket.socket,
    announce: Callable[[], None],
    threads: int = 4,
) -> None:
    """Everything in this process, until it is told to stop: intake first, then the pages, then the
    work.
    """
    with ExitStack() as ending:
        web(hub, sock, announce, lambda: _work(hub, threads, ending))


def _work(hub: Hub, threads: int, ending: ExitStack) -> None:
    """Begin to work, and say how to end it."""
    # the pipeline and its broker, which intake need not wait for
    from hub.jobs.broker import Jobs
    from hub.jobs.listening import Listeners
    from hub.jobs.scheduler import Scheduler

    _recover(hub)
    jobs = Jobs(hub)
    ending.callback(jobs.stop)
    jobs.start(threads)
    scheduler = Scheduler(hub, jobs)
    ending.callback(scheduler.stop)
    listeners = Listeners(hub, jobs)
    ending.callback(listeners.stop)
    listeners.start()
    scheduler.start()


def web(
    hub: Hub,
    sock: socket.socket,
    announce: Callable[[], None],
    then: Callable[[], None] = lambda: None,
) -> None:
    """Answer HTTP until told to stop. `announce` is called once deliveries are taken. The API and
    the dashboard are made meanwhile, and `then` is called, in a thread of its own; what it raises
    ends the process.
    """
    _allow_connections()
    application = Application(hub, hub.settings.public_url or address_of(sock))
    failed: list[Exception] = []

    def disk_failed(error: Exception) -> None:
        log.critical("the disk failed; this process stops and takes nothing more", error=str(error))
        failed.append(error)
        server.should_exit = True

    def rest() -> None:
        try:
            application.pages.make()
            if not server.should_exit:
                then()
                memory.settle()
        except Exception as error:
            failed.append(error)
            server.should_exit = True

    application.intake.inbox.on_disk_failure = disk_failed
    application.start()
    later = threading.Thread(target=rest, name="start")

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """As uvicorn's, but it raises the signal again at the end, which would end the process
            before what has begun is finished.
            """
            if threading.current_thread() is not threading.main_thread():
                yield
                return
            wanted = (signal.SIGINT, signal.SIGTERM)
            before = {number: signal.signal(number, self.handle_exit) for number in wanted}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            announce()
            later.start()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            application.stream.close()  # open live updates would be waited for
            await super().shutdown(sockets)

    server = Server(server_config(application))
    try:
        server.run([sock])
    finally:
        if later.ident is not None:
            later.join()
        application.stop()
    if failed:
        raise failed[0]


SPARE_FILES = 200
"""Files that are not connections: the database's, the logs', those of requests to vendors."""


def _allow_connections() -> None:
    """Let this process have as many open files as the system lets it, and take no more connections
    than that leaves room for: beyond it accepting fails without an answer.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DeadlineHttpProtocol.max_connections + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        room = max(16, soft - SPARE_FILES)
        DeadlineHttpProtocol.max_connections = min(DeadlineHttpProtocol.max_connections, room)


def worker(hub: Hub, threads: int = 8) -> None:
    """Run actors until told to stop."""
    from hub.jobs.broker import Jobs
    from hub.jobs.listening import Listeners

    with telling(hub):
        jobs = Jobs(hub)
        listeners = Listeners(hub, jobs)
        jobs.start(threads)
        listeners.start()
        memory.settle()
        _until_told()
        listeners.stop()
        jobs.stop()


def schedule(hub: Hub) -> None:
    """Tick until told to stop; stands by while another leads."""
    from hub.jobs.broker import Jobs
    from hub.jobs.scheduler import Scheduler

    with telling(hub):
        scheduler = Scheduler(hub, Jobs(hub))
        scheduler.start()
        _until_told()
        scheduler.stop()


def _until_told() -> None:
    told = threading.Event()

    def stop(_: int, __: FrameType | None) -> None:
        told.set()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    told.wait()

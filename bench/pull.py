"""How fast a connector reads, and whether its memory stays flat: a list of many pages, read by the
template's connector through the SDK, beside a bare loop over the same server with httpx and orjson.

The server runs in a process of its own and hands out pages that were written before.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable
from typing import Any

import httpx
import orjson

from connectors.sdk.host import Host
from hub.flow.pull import one_ahead
from hub_acme.connector import AcmeConfig, AcmeConnector

PAGE = 100
RECORDS = 100_000


def pages(count: int) -> list[bytes]:
    """The answers of a vendor with `count` tickets, page by page."""
    made = []
    for start in range(0, count, PAGE):
        rows = [
            {
                "id": str(number),
                "desk": "main",
                "subject": f"Ticket {number}",
                "text": "Somebody should look at this, and say what they saw. " * 6,
                "status": "working",
                "owner": "ann@acme.example",
                "due_on": "2026-03-04",
                "updated_at": f"2026-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:"
                f"{number % 60:02}.{number:06}Z",
                "updated_by": "ann@acme.example",
                "url": f"https://acme-desk.example/tickets/{number}",
            }
            for number in range(start, start + PAGE)
        ]
        following = str(start + PAGE) if start + PAGE < count else None
        made.append(orjson.dumps({"tickets": rows, "next": following}))
    return made


def serve(port: Any, count: int) -> None:
    """The vendor. `port` gets the number it listens on."""
    import socket
    from urllib.parse import parse_qs

    import uvicorn

    answers = pages(count)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        after = parse_qs(scope["query_string"].decode()).get("after", ["0"])[0]
        body = answers[int(after) // PAGE]
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    listening = socket.create_server(("127.0.0.1", 0))
    port.send(listening.getsockname()[1])
    uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off")).run([listening])


def bare(url: str) -> int:
    """The least that can be done: ask, parse, count."""
    seen, after = 0, "0"
    with httpx.Client() as client:
        while after is not None:
            answer = orjson.loads(client.get(f"{url}/tickets", params={"after": after}).content)
            seen += len(answer["tickets"])
            after = answer["next"]
    return seen


def sdk(url: str) -> int:
    """What the hub does: the connector's pull, one page ahead."""
    settings = AcmeConfig.model_validate({"base_url": url, "auth": {"token": "t"}, "deadline": 60})
    connector = AcmeConnector("bench", settings, Host())
    try:
        connector.rates = {}  # type: ignore[misc] - the vendor's limits are not what is measured
        connector.setup()
        with one_ahead(connector.pull("ticket", {}, ())) as read:
            return sum(len(page.records) for page in read)
    finally:
        connector.close()


def timed(read: Callable[[str], int], url: str, count: int) -> float:
    began = time.perf_counter()
    seen = read(url)
    if seen != count:
        raise SystemExit(f"{seen} of {count} records were read.")
    return count / (time.perf_counter() - began)


def main() -> None:
    rates: dict[str, list[float]] = {"bare": [], "sdk": []}
    memory = []
    for count in (RECORDS // 10, RECORDS):
        ours, theirs = multiprocessing.Pipe()
        vendor = multiprocessing.get_context("spawn").Process(
            target=serve, args=(theirs, count), daemon=True
        )
        vendor.start()
        url = f"http://127.0.0.1:{ours.recv()}"
        rates["sdk"].append(timed(sdk, url, count))
        memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        rates["bare"].append(timed(bare, url, count))
        vendor.kill()
        vendor.join()
    print(f"bare loop (httpx, orjson): {rates['bare'][-1]:10,.0f} records/s")
    print(f"connector through the SDK: {rates['sdk'][-1]:10,.0f} records/s", end="")
    print(f"  {rates['sdk'][-1] / rates['bare'][-1]:.2f} of the bare loop")
    print(f"memory after {RECORDS // 10:,} records {memory[0]:.0f} MiB, after {RECORDS:,} ", end="")
    print(f"{memory[1]:.0f} MiB")


if __name__ == "__main__":
    main()

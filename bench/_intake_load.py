"""What the bench of the intake sends, and what it reads of a process: signed deliveries of the
shape of GitHub's; wrk, or a generator of our own that says so; CPU and memory.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
import multiprocessing
import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.github import sandbox_shapes as shapes

SECRET = "secret-of-the-bench-long-enough"  # noqa: S105 # signs only what the bench sends to itself
PATH = "/webhooks/github"
DISTINCT = 256
SIZE = 3008
"""Bytes of one body."""
_AT = "2026-03-02T09:00:00Z"
_BASE = "https://api.github.test"


@dataclass(frozen=True, slots=True)
class Load:
    """What one round of load gave; latencies in milliseconds."""

    rate: float
    p50: float
    p99: float
    accepted: int
    refused: int


def body_of(number: int, action: str = "opened", at: str = _AT) -> bytes:
    """One `issues` delivery of exactly SIZE bytes."""
    user = shapes.user(_BASE, "dmeier", 583001)
    few = {name: user[name] for name in ("login", "id", "url", "type")}
    url = f"{_BASE}/repos/acme/ops/issues/{number}"
    issue: dict[str, Any] = {
        "url": url, "html_url": f"https://github.test/acme/ops/issues/{number}",
        "repository_url": f"{_BASE}/repos/acme/ops", "labels_url": url + "/labels{/name}",
        "comments_url": url + "/comments", "events_url": url + "/events",
        "id": 2_400_000_000 + number, "node_id": f"I_kwDO{number:08d}", "number": number,
        "title": f"Issue {number} {action}", "user": user,
        "labels": [{"id": 1, "name": "ops", "color": "ededed", "default": False}],
        "state": "open", "locked": False, "assignee": few, "assignees": [few], "milestone": None,
        "comments": 0, "created_at": at, "updated_at": at, "closed_at": None, "body": "",
        "author_association": "MEMBER", "active_lock_reason": None, "state_reason": None,
    }  # fmt: skip
    repository = {
        "id": 1, "node_id": "R_kgDO1", "name": "ops", "full_name": "acme/ops", "private": True,
        "owner": few, "html_url": "https://github.test/acme/ops",
    }  # fmt: skip
    payload = {"action": action, "issue": issue, "repository": repository, "sender": few}
    issue["body"] = "x" * (SIZE - len(json.dumps(payload)))
    return json.dumps(payload).encode()


def bodies(count: int = DISTINCT) -> list[bytes]:
    """Distinct bodies, one issue each."""
    return [body_of(number) for number in range(1, count + 1)]


def signature(body: bytes) -> str:
    """As GitHub signs."""
    return "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def head_of(body: bytes, path: str = PATH) -> bytes:
    """A request up to the delivery id, which stands last and is followed by two line ends."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: GitHub-Hookshot/044aadd\r\n"
        f"Accept: */*\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "X-GitHub-Event: issues\r\nX-GitHub-Hook-ID: 292430182\r\n"
        f"X-Hub-Signature-256: {signature(body)}\r\nX-GitHub-Delivery: "
    ).encode()


# -------------------------------------------------------------------------------------- closed loop

_LUA = """
local n, seed = 0, "@SEED@"
local heads, bodies = {}, {}
@REQUESTS@
function request()
  n = n + 1
  local i = n % #heads + 1
  return heads[i] .. seed ..
    string.format("%08x-%012x", n * 2654435761 % 4294967296, n) .. "\\r\\n\\r\\n" .. bodies[i]
end
function done(summary, latency, requests)
  io.write(string.format("RESULT %d %d %d %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), summary.errors.status,
    summary.errors.connect, summary.errors.read + summary.errors.write, summary.errors.timeout))
end
"""


class Generator:
    """A closed loop: each of so many connections sends its next delivery when the last one was
    answered. `name` says what is under it.
    """

    def __init__(self, folder: Path, path: str = PATH) -> None:
        self._folder = folder
        self._path = path
        self._rounds = itertools.count(time.time_ns())
        self._wrk = shutil.which("wrk")
        self.name = "wrk -t1" if self._wrk else "a generator of our own (wrk is not installed)"

    def run(self, port: int, connections: int, seconds: float) -> Load:
        """Load for so long. Raises RuntimeError where a connection failed."""
        seed = f"{next(self._rounds):020x}-"
        if self._wrk is None:
            return _in_a_process(port, self._path, connections, seconds, seed)
        script = self._folder / "load.lua"
        lines = "\n".join(
            f"heads[{at}] = {_lua(head_of(body, self._path))}\nbodies[{at}] = {_lua(body)}"
            for at, body in enumerate(bodies(), 1)
        )
        script.write_text(_LUA.replace("@SEED@", seed).replace("@REQUESTS@", lines))
        done = subprocess.run(  # noqa: S603 - wrk on our own script
            [
                self._wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s",
                "--timeout", "20s", "-s", str(script), f"http://127.0.0.1:{port}{self._path}",
            ],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        found = re.search(r"RESULT (.*)", done.stdout)
        if found is None:
            raise RuntimeError(f"wrk said: {done.stdout}{done.stderr}")
        sent, took, p50, p99, refused, *failed = map(int, found[1].split())
        if any(failed):
            raise RuntimeError(f"wrk lost connections: {done.stdout}")
        accepted = sent - refused
        return Load(accepted / (took / 1e6), p50 / 1000, p99 / 1000, accepted, refused)


def _lua(data: bytes) -> str:
    return (
        '"' + "".join(f"\\{byte:03d}" if byte in b'"\\\r\n' else chr(byte) for byte in data) + '"'
    )


def _in_a_process(port: int, path: str, connections: int, seconds: float, seed: str) -> Load:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(closed_loop, (port, path, connections, seconds, seed))


def closed_loop(port: int, path: str, connections: int, seconds: float, seed: str) -> Load:
    """What wrk does, by asyncio: it takes more CPU, so rates are lower than wrk's."""
    return asyncio.run(_closed_loop(port, path, connections, seconds, seed))


async def _closed_loop(port: int, path: str, connections: int, seconds: float, seed: str) -> Load:
    ready = [(head_of(body, path), body) for body in bodies()]
    ids = itertools.count()
    began = time.perf_counter()
    taken: list[float] = []
    refused = 0

    async def sender() -> None:
        nonlocal refused
        async with Sender(port) as sender:
            while (start := time.perf_counter()) < began + seconds:
                number = next(ids)
                head, body = ready[number % len(ready)]
                status = await sender.send(head, seed + f"{number:012x}", body)
                if 200 <= status < 300:
                    taken.append(time.perf_counter() - start)
                else:
                    refused += 1

    await asyncio.gather(*(sender() for _ in range(connections)))
    rate = len(taken) / (time.perf_counter() - began)
    return Load(rate, *percentiles(taken), len(taken), refused)


def percentiles(seconds: Iterable[float]) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    ordered = sorted(seconds)
    if not ordered:
        return float("nan"), float("nan")
    return ordered[len(ordered) // 2] * 1000, ordered[int(len(ordered) * 0.99)] * 1000


# ---------------------------------------------------------------------------------------- open loop


class Sender:
    """One keep-alive connection that sends deliveries one after the other."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Sender:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def send(self, head: bytes, id: str, body: bytes) -> int:
        """The status of the answer. A connection that was closed for having been idle is opened
        anew.
        """
        request = head + id.encode() + b"\r\n\r\n" + body
        try:
            self._writer.write(request)
            answer = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            self._writer.close()
            await self.__aenter__()
            self._writer.write(request)
            answer = await self._reader.readuntil(b"\r\n\r\n")
        answer = answer.lower()
        length = int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await self._reader.readexactly(length)
        if b"connection: close" in answer:
            self._writer.close()
            await self.__aenter__()
        return int(answer[9:12])


async def open_loop(
    port: int,
    per_second: float,
    seconds: float,
    *,
    path: str = PATH,
    fresh: bool = False,
    seed: str = "open-",
) -> Load:
    """Deliveries at a fixed pace, whether or not earlier ones were answered; each is timed from the
    moment it was due, so that waiting in line counts. `fresh`: every body is another issue.
    """
    ready = [(head_of(body, path), body) for body in bodies()]
    free: list[Sender] = []
    taken: list[float] = []
    refused = 0
    began = time.perf_counter() + 0.2

    async def one(number: int) -> None:
        nonlocal refused
        due = began + number / per_second
        sender = free.pop() if free else await Sender(port).__aenter__()
        head, body = ready[number % len(ready)]
        if fresh:
            body = body_of(1000 + number)
            head = head_of(body, path)
        status = await sender.send(head, f"{seed}{time.time_ns():x}-{number}", body)
        free.append(sender)
        if 200 <= status < 300:
            taken.append(time.perf_counter() - due)
        else:
            refused += 1

    running = set()
    count = int(per_second * seconds)
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
        running.add(asyncio.create_task(one(number)))
    await asyncio.gather(*running)
    for sender in free:
        await sender.__aexit__()
    return Load(len(taken) / seconds, *percentiles(taken), len(taken), refused)


# ------------------------------------------------------------------------------ what a process uses


def tree(pid: int) -> list[int]:
    """A process and all that came of it."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        parents.setdefault(int(words[1]), []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU that processes and their children have used so far."""
    total = 0.0
    for root in pids:
        for pid in tree(root):
            try:
                words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            total += (int(words[11]) + int(words[12])) / 100
    return total


def memory(pid: int) -> tuple[float, float]:
    """PSS and RSS of a process and its children, in megabytes."""
    pss = rss = 0.0
    for one in tree(pid):
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:
            continue
        pss += int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1]) / 1024  # type: ignore[index]
        rss += int(re.search(r"^Rss:\s+(\d+)", text, re.M)[1]) / 1024  # type: ignore[index]
    return pss, rss

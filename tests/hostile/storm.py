"""A storm of generated requests over the real application: none may end in a 500, and every answer
must be one that /openapi.json promises.

    python -m tests.hostile.storm --requests 10000 --seed 1

The suite runs a smaller edition of the same (`test_storm`).
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from schemathesis.python import asgi

from tests.hostile.house import PUBLIC, House, house

ROLES = ("boss", "dana", "lee", "admin", "operator", "member", "assistant")
UNENDING = {"GET /api/v1/stream"}
"""Left out: an answer that goes on until its reader leaves."""
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance",
          "response_headers_conformance", "response_schema_conformance")  # fmt: skip


@dataclass
class Weather:
    """What a storm did."""

    statuses: Counter[int] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    cpu: float = 0.0

    @property
    def requests(self) -> int:
        return sum(self.statuses.values())

    def report(self) -> str:
        by_class = Counter[str]()
        for status, count in self.statuses.items():
            by_class[f"{status // 100}xx"] += count
        told = ", ".join(f"{name} {count}" for name, count in sorted(by_class.items()))
        codes = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        return (
            f"{self.requests} requests over {len(self.operations)} operations: {told}\n"
            f"  by status: {codes}\n"
            f"  {self.cpu:.0f} s of CPU, {1000 * self.cpu / max(self.requests, 1):.1f} ms each"
        )


def furnish(home: House) -> dict[str, list[str]]:
    """Something to hit: ids by the family of their route."""
    task = home.call(
        "POST", "tasks", json={"title": "A task", "due": {"date": "2026-03-01"}}
    ).json()
    home.call(
        "POST", f"tasks/{task['id']}/comments", json={"body": "A word", "visibility": "internal"}
    )
    case = home.call("POST", "cases", json={"process": "question", "title": "A case"}).json()
    home.call("POST", "tasks", json={"title": "Mirrored", "connection": "github"})
    home.hook("shop", b"{", None)
    for number in range(3):
        body = b'{"type":"order.created","data":{"id":"%d","title":"Order"}}' % number
        from tests.hostile.house import standard

        home.hook(
            "shop", body if number else b"{", standard(body if number else b"{", f"m{number}")
        )
    home.work()
    proposal = {"kind": "text", "target": task["id"], "text": "Say hello", "confidence": 0.5}
    home.call("POST", "proposals", "assistant", json=proposal)
    found: dict[str, list[str]] = {"connections": ["github", "shop", "crm", "tracker"]}
    for family in ("tasks", "cases", "decisions", "handoffs", "exceptions", "proposals",
                   "deliveries", "pushes", "items"):  # fmt: skip
        found[family] = [one["id"] for one in home.call("GET", family).json()["items"]]
    found["cases"].append(case["id"])
    return found


def storm(
    home: House, requests: int, seed: int, tell: Callable[[str], None] | None = None
) -> Weather:
    """Send so many generated requests. Raises AssertionError, or a check's failure, for an answer
    that should not have been given; the message holds the request.
    """
    known = furnish(home)
    document = home.client.get("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    schema.app = home.application
    checks = [schemathesis.checks.CHECKS.get_one(name) for name in CHECKS]
    weather = Weather()
    picked = random.Random(seed)
    operations = [one.ok() for one in schema.get_all_operations() if one.ok().label not in UNENDING]
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    strategies = [one.as_strategy(generation_mode=mode) for one in operations for mode in modes]

    def one_request(case: schemathesis.Case, client: Any) -> None:
        family = case.path.removeprefix("/api/v1/").partition("/")[0]
        for name in case.path_parameters or {}:
            if known.get(family) and picked.random() < 0.6:
                case.path_parameters[name] = picked.choice(known[family])
        caller = picked.choice(ROLES)
        headers = {"Authorization": f"Bearer {home.tokens[caller]}"}
        response = case.call(base_url=PUBLIC, session=client, headers=headers)
        weather.statuses[response.status_code] += 1
        weather.operations[case.operation.label] += 1
        case.validate_response(response, checks=checks)
        if response.status_code >= 400:
            told = response.json()
            assert response.headers["content-type"] == ["application/problem+json"], told
            assert told["status"] == response.status_code, told
            assert told["code"], told
            assert told["detail"], told
        if tell is not None and weather.requests % 500 == 0:
            tell(f"{weather.requests} of {requests}")

    began = time.process_time()
    with asgi.get_client(home.application) as client:
        round_ = 0
        while weather.requests < requests:
            wanted = min(2000, requests - weather.requests)

            @hypothesis.seed(seed + round_)
            @hypothesis.settings(
                max_examples=wanted,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @hypothesis.given(case=st.one_of(strategies))
            def blow(case: schemathesis.Case) -> None:
                one_request(case, client)

            blow()
            round_ += 1
    weather.cpu = time.process_time() - began
    return weather


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Send generated requests to a hub of our own.")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder, house(Path(folder)) as home:
        weather = storm(home, given.requests, given.seed, lambda text: print(text, file=sys.stderr))
    print(weather.report())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

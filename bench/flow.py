"""How fast deliveries become tasks: `python -m bench.flow [COUNT] [DATABASE_URL]`.

GitHub webhooks that are stored already go through parse and bring in, in one thread, in batches as
in a running hub: half of them open an issue, half change one that is known.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.github import sandbox_shapes as shapes
from hub.apply import apply
from hub.flow.bring_in import bring_in
from hub.flow.intake import parse_deliveries
from hub.hub import Hub, open_hub, system_clock
from hub.registry import connector_classes
from hub.settings import Settings
from hub.store import inbox
from webhooks.inbox import Incoming

HUB_YAML = """
name: bench
connections:
  github:
    connector: github
    repositories: [acme/ops]
    auth: {token: env:TOKEN}
    webhook: {secret: env:SECRET}
"""
PEOPLE = """
people: {dana: {name: Dana, email: dana@acme.test}}
identities: {github: {dana: dmeier}}
"""
RULES = """
rules:
  - rule: urgent
    when: task.*
    if: "'urgent' in task.labels && task.priority != 'urgent'"
    then:
      - update_task: {priority: urgent}
"""
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BASE = "https://api.github.test"


def body_of(number: int, action: str, second: int) -> bytes:
    """One `issues` delivery of about the size that GitHub sends."""
    at = (START + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")
    url = f"{BASE}/repos/acme/ops/issues/{number}"
    user = shapes.user(BASE, "dmeier", 583001)
    issue: dict[str, Any] = {
        "url": url, "html_url": f"https://github.test/acme/ops/issues/{number}",
        "id": 2_400_000_000 + number, "number": number, "title": f"Issue {number} {action}",
        "user": user, "labels": [{"id": 1, "name": "ops"}], "state": "open", "assignee": user,
        "assignees": [user], "milestone": None, "comments": 0, "created_at": at,
        "updated_at": at, "closed_at": None, "body": "What has to be done, in words. " * 10,
        "reactions": shapes.reactions(url), "state_reason": None,
    }  # fmt: skip
    owner = {**user, "type": "Organization"}
    repository = shapes.repository(BASE, "acme/ops", 1, owner, at, 1)
    payload = {"action": action, "issue": issue, "repository": repository, "sender": user}
    return json.dumps(payload).encode()


def fill(hub: Hub, count: int) -> None:
    """Store the deliveries as the intake does."""
    bodies = [body_of(number, "opened", 0) for number in range(count // 2)]
    bodies += [body_of(number, "edited", 60) for number in range(count // 2)]
    for start in range(0, len(bodies), 1000):
        batch = [
            Incoming(
                connection="github",
                delivery_id=str(start + at),
                received_at=START,
                method="POST",
                url="http://hub/webhooks/github",
                headers={"x-github-event": "issues", "content-type": "application/json"},
                body=body,
                body_hash=hashlib.sha256(body).hexdigest(),
                verdict="genuine",
                capture=False,
            )
            for at, body in enumerate(bodies[start : start + 1000])
        ]
        with hub.database.write() as tx:
            inbox.store(tx, batch)


def run(count: int, database_url: str | None = None, *, rules: bool = False) -> float:
    """Deliveries a second through both stages."""
    files = {"hub.yaml": HUB_YAML, "people.yaml": PEOPLE}
    if rules:
        files["rules/all.yaml"] = RULES
    env = {"TOKEN": "token-of-the-bench", "SECRET": "secret-of-the-bench-long-enough"}
    with tempfile.TemporaryDirectory() as folder:
        url = database_url or f"sqlite:///{Path(folder) / 'hub.db'}"
        settings = Settings(Path(folder), url, None, b"a-key-of-the-bench-long-enough")
        hub = open_hub(settings, connector_classes(), env=env)
        apply(hub.database, files, connector_classes(), system_clock(), env=env, force=True)
        fill(hub, count)
        began = time.perf_counter()
        while parse_deliveries(hub):
            pass
        parsed = time.perf_counter()
        while bring_in(hub):
            pass
        ended = time.perf_counter()
        hub.database.close()
    print(
        f"{'with a rule' if rules else 'no rules':12} parse {count / (parsed - began):7.0f}/s"
        f"   bring in {count / (ended - parsed):7.0f}/s   both {count / (ended - began):7.0f}/s"
    )
    return count / (ended - began)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    url = sys.argv[2] if len(sys.argv) > 2 else None
    run(count, url)
    run(count, None, rules=True)

"""The table itself: every row is held somewhere, every error has its form, no version is below its
floor, and a storm of generated requests ends in no 500.
"""

from __future__ import annotations

import ast
import socket
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from hub.store import dialect
from tests.hostile.conftest import refusal
from tests.hostile.house import House, github, read_to_end, served
from tests.hostile.storm import storm

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ROWS: list[dict[str, Any]] = yaml.safe_load((HERE / "rows.yaml").read_text(encoding="utf-8"))
FLOORS: dict[str, str] = yaml.safe_load((HERE / "floors.yaml").read_text(encoding="utf-8"))


def names_in(path: Path) -> dict[str, int]:
    """Classes and functions of a test file, with the tests each holds."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            inner = [one for one in node.body if isinstance(one, ast.FunctionDef)]
            found[node.name] = sum(one.name.startswith("test_") for one in inner)
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            found[node.name] = 1
    return found


class TestEveryRowIsHeld:
    def test_by_tests_or_by_a_reason(self) -> None:
        assert len({one["row"] for one in ROWS}) == len(ROWS) == 28
        for one in ROWS:
            assert {"here", "elsewhere", "later"} & set(one), one["row"]
            if "later" in one:
                assert len(one["later"]) > 20
            if "here" in one:
                file, _, name = one["here"].partition("::")
                assert names_in(HERE / file)[name] > 0, one["row"]
            for place in one.get("elsewhere", ()):
                file, _, name = place.partition("::")
                known = names_in(ROOT / file)
                assert known
                assert not name or name in known, place

    def test_no_class_here_is_left_out(self) -> None:
        named = {one["here"] for one in ROWS if "here" in one}
        found = {
            f"{path.name}::{name}"
            for path in HERE.glob("test_[1-6]_*.py")
            for name in names_in(path)
            if name.startswith("Test")
        }
        assert named == found


class TestFloors:
    @pytest.mark.parametrize("name", [one for one in FLOORS if one != "sqlite"])
    def test_no_package_is_older_than_its_floor(self, name: str) -> None:
        try:
            installed = version(name)
        except PackageNotFoundError:
            pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower()
            assert f"{name}==" not in pinned
            return
        assert Version(installed) >= Version(FLOORS[name])

    def test_sqlite(self) -> None:
        """Where no wheel brings a newer one the hub warns, and with --strict refuses."""
        floor = Version(FLOORS["sqlite"]).release
        assert floor == dialect.SAFE_SQLITE
        try:
            version("pysqlite3")
        except PackageNotFoundError:
            return
        assert dialect.sqlite_version() >= floor


class TestProblems:
    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "/nowhere", 404, "not_found"),
            ("GET", "/api/v1/nowhere", 404, "not_found"),
            ("GET", "/api/v1/tasks/", 404, "not_found"),
            ("GET", "/api/v1/tasks/%ff%fe", 404, "not_found"),
            ("GET", "/api/v1/tasks/%00", 400, "bad_request"),
            ("GET", "/api/v1/tasks?q=%00", 400, "bad_request"),
            ("GET", "/api/v1/tasks?cursor=%ff", 400, "cursor_invalid"),
            ("GET", "/api/v1/tasks?cursor=AAAA", 400, "cursor_invalid"),
            ("GET", "/api/v1/tasks?limit=0", 422, "validation_failed"),
            ("GET", "/api/v1/tasks?limit=99999999999999999999", 422, "validation_failed"),
            ("PUT", "/api/v1/tasks", 405, "method_not_allowed"),
            ("TRACE", "/api/v1/tasks", 405, "method_not_allowed"),
            ("DELETE", "/healthz", 405, "method_not_allowed"),
            ("GET", "/webhooks/github", 405, "method_not_allowed"),
            ("PUT", "/webhooks/github", 405, "method_not_allowed"),
            ("POST", "/webhooks/nobody", 404, "connection_unknown"),
            ("POST", "/webhooks/%ff%fe", 404, "connection_unknown"),
            ("POST", "/webhooks/", 404, "connection_unknown"),
            ("POST", "/webhooks/a/b/c", 404, "connection_unknown"),
        ],
    )
    def test_each_has_its_code(
        self, home: House, method: str, path: str, status: int, code: str
    ) -> None:
        answer = home.call(method, path)
        assert refusal(answer, status) == code
        if status == 405:
            assert answer.headers["allow"]

    def test_allow_names_every_method(self, home: House) -> None:
        for method, status in (("PUT", 405), ("OPTIONS", 204)):
            answer = home.call(method, "/api/v1/tasks")
            assert answer.status_code == status
            assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"

    @pytest.mark.parametrize("path", ["/api/v1/tasks", "/healthz", "/api/v1/stream", "/docs"])
    def test_head_is_get_without_its_body(self, home: House, path: str) -> None:
        answer = home.call("HEAD", path)
        assert (answer.status_code, answer.content) == (200, b"")


def test_storm(alone: House) -> None:
    """The small edition of `python -m tests.hostile.storm`."""
    weather = storm(alone, requests=250, seed=7)
    assert weather.requests == 250
    assert len(weather.operations) > 30
    assert 500 not in weather.statuses
    assert sum(count for status, count in weather.statuses.items() if status < 300) > 40


TOKENS = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20)
VALUES = st.binary(max_size=60).map(lambda raw: raw.translate(None, b"\r\n\0"))
REQUESTS = st.tuples(
    st.sampled_from([b"POST", b"GET", b"HEAD", b"OPTIONS", b"PUT", b"PURGE", b"post"]),
    st.one_of(
        st.sampled_from([b"/webhooks/github", b"/webhooks/crm/x", b"/webhooks/%2e%2e/shop?a=%"]),
        st.binary(max_size=40).map(lambda raw: b"/webhooks/" + raw.translate(None, b"\r\n \0")),
    ),
    st.lists(
        st.tuples(
            st.one_of(
                st.sampled_from(
                    ["content-encoding", "x-hub-signature-256", "x-github-event", "content-type",
                     "webhook-signature", "webhook-timestamp", "expect", "transfer-encoding"]
                ),
                TOKENS,
            ),
            st.one_of(VALUES, st.sampled_from([b"gzip", b"deflate", b"chunked", b"100-continue"])),
        ),
        max_size=6,
    ),
    st.binary(max_size=300),
    st.booleans(),
)  # fmt: skip


def test_raw_bytes_at_webhooks_get_an_answer_and_no_500(home: House) -> None:
    """Whatever the method, path, headers, encodings; half of the bodies are signed by GitHub."""
    with served(home) as server:

        @settings(max_examples=150, deadline=None, database=None, derandomize=True,
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(REQUESTS)
        def send(request: Any) -> None:
            method, path, headers, body, signed = request
            lines = [b"%s %s HTTP/1.1" % (method, path), b"Host: x", b"Connection: close"]
            lines += [name.encode() + b": " + value for name, value in headers]
            if signed:
                lines += [f"{name}: {value}".encode() for name, value in github(body).items()]
            lines += [b"Content-Length: %d" % len(body), b"", body]
            with server.connect() as one:
                one.sendall(b"\r\n".join(lines))
                one.shutdown(socket.SHUT_WR)
                answer = read_to_end(one)
            assert not answer.startswith(b"HTTP/1.1 5"), answer
            # a body that never comes to its end is nobody's to answer once its sender has left
            assert answer.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4")) or not answer

        send()
    assert home.call("GET", "/healthz").status_code == 200

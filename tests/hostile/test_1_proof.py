"""Rows about who a delivery is from: signatures, timestamps, replays."""

from __future__ import annotations

import time
from typing import ClassVar

import pytest
import sqlalchemy as sa

from hub.store import tables as t
from tests.hostile.conftest import refusal
from tests.hostile.house import House, github, standard

BODY = b'{"type":"order.created","data":{"id":"7","title":"Seven"}}'


def count(home: House) -> int:
    return int(home.rows(sa.select(sa.func.count().label("n")).select_from(t.deliveries))[0]["n"])


class TestSignatureMissingWrongPrefixNonAscii:
    GOOD: ClassVar[str] = github(BODY)["x-hub-signature-256"]

    @pytest.mark.parametrize(
        "given",
        [
            pytest.param(None, id="missing"),
            pytest.param("", id="empty"),
            pytest.param("sha256=", id="empty_value"),
            pytest.param("sha256=" + "0" * 64, id="wrong"),
            pytest.param(GOOD[:-1], id="prefix"),
            pytest.param(GOOD[:40], id="short_prefix"),
            pytest.param(GOOD + "0", id="longer"),
            pytest.param(GOOD.upper(), id="upper_case_scheme"),
            pytest.param(GOOD.replace("sha256=", "sha1="), id="other_algorithm"),
            pytest.param("sha256=" + "é" * 64, id="non_ascii"),
            pytest.param("sha256=" + "\u0660" * 64, id="digits_of_another_script"),
            pytest.param("," * 9000, id="thousands_of_commas"),
        ],
    )
    def test_github(self, home: House, given: str | None) -> None:
        headers: dict[str, str | bytes] = dict(github(BODY, "sig-1"))
        del headers["x-hub-signature-256"]
        if given is not None:
            headers["x-hub-signature-256"] = given.encode()
        before = count(home)
        answer = home.client.post("/webhooks/github", content=BODY, headers=headers)
        assert refusal(answer, 401) == "signature_invalid"
        assert count(home) == before

    @pytest.mark.parametrize("cut", [0, 3, 5, 20])
    def test_standard_webhooks(self, home: House, cut: int) -> None:
        headers = standard(BODY, "sig-2")
        headers["webhook-signature"] = headers["webhook-signature"][:cut]
        assert refusal(home.hook("shop", BODY, headers), 401) == "signature_invalid"

    def test_another_connections_signature_proves_nothing(self, home: House) -> None:
        assert refusal(home.hook("shop", BODY, github(BODY)), 401) in (
            "signature_invalid",
            "timestamp_out_of_window",
        )


class TestTwoSignaturesOneValid:
    @pytest.mark.parametrize("order", ["first", "last"])
    def test_it_is_taken(self, home: House, order: str) -> None:
        headers = standard(BODY, f"two-{order}")
        good, bad = headers["webhook-signature"], "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        pair = (good, bad) if order == "first" else (bad, good)
        headers["webhook-signature"] = " ".join(pair)
        assert home.hook("shop", BODY, headers).status_code == 202


class TestTimestampOutOfWindow:
    @pytest.mark.parametrize(
        "stamp",
        [
            pytest.param(lambda now: str(now - 301 - 5), id="too_old"),
            pytest.param(lambda now: str(now + 301 + 5), id="too_new"),
            pytest.param(lambda now: "NaN", id="nan"),
            pytest.param(lambda now: "inf", id="inf"),
            pytest.param(lambda now: str(10**20), id="ten_to_the_twenty"),
            pytest.param(lambda now: "1" * 5000, id="five_thousand_digits"),
            pytest.param(lambda now: f"{now}\u0660", id="digit_of_another_script"),
            pytest.param(lambda now: "", id="empty"),
        ],
    )
    def test_signed_but_not_now(self, home: House, stamp: object) -> None:
        text = stamp(int(time.time()))  # type: ignore[operator]
        headers = {
            name: value.encode() for name, value in standard(BODY, "late", stamp=text).items()
        }
        before = count(home)
        answer = home.client.post("/webhooks/shop", content=BODY, headers=headers)
        assert refusal(answer, 401) == "timestamp_out_of_window"
        assert count(home) == before

    def test_absent(self, home: House) -> None:
        headers = standard(BODY, "late")
        del headers["webhook-timestamp"]
        assert refusal(home.hook("shop", BODY, headers), 401) == "timestamp_out_of_window"

    @pytest.mark.parametrize("off", [-290, 290])
    def test_within_the_window_it_is_taken(self, home: House, off: int) -> None:
        stamp = str(int(time.time()) + off)
        headers = standard(BODY, f"near{off}", stamp=stamp)
        assert home.hook("shop", BODY, headers).status_code == 202


class TestReplayedId:
    def test_a_replay_is_a_duplicate_and_no_work(self, alone: House) -> None:
        headers = standard(BODY, "again")
        first = alone.hook("shop", BODY, headers)
        alone.work()
        second = alone.hook("shop", BODY, headers)
        assert second.status_code == 200
        assert second.json() == {"status": "duplicate", "id": first.json()["id"]}
        events = len(alone.rows(sa.select(t.events.c.id)))
        alone.work()
        assert count(alone) == 1
        assert len(alone.rows(sa.select(t.events.c.id))) == events
        assert len(alone.call("GET", "tasks").json()["items"]) == 1

"""The whole way: a deal is won in the CRM, and every tool, person and outsider does their part.

Real sandboxes, a real hub in processes of its own, people who act only through their own tools.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from hub.demo.run import play
from hub.demo.world import World

Json = Any


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Json, Path]:
    """The story played to its end once, and the spreadsheet it left."""
    keep = tmp_path_factory.mktemp("tracker") / "tracker.xlsx"
    with World("onboarding") as world:
        report = play(world, seed=7)
        keep.write_bytes(Path(world.tools.tracker.path).read_bytes())
    return report, keep


def test_the_story_reaches_its_end(played: tuple[Json, Path]) -> None:
    """Every act happened, the case is completed, and no exception is open."""
    report, _ = played
    assert report["ok"], report["error"]
    assert [act["act"] for act in report["acts"]] == [
        "win", "contract", "documents", "billing", "ask_credit", "credit", "tenant", "live",
    ]  # fmt: skip
    [case] = report["cases"]
    assert (case["status"], case["outcome"]) == ("completed", "completed")
    assert report["exceptions"] == []


def test_everybody_can_see_who_owed_what(played: tuple[Json, Path]) -> None:
    """Each step names who did it and who answered for it."""
    [case] = played[0]["cases"]
    who = {step["key"]: (step["responsible"], step["accountable"]) for step in case["steps"]}
    assert who["contract"] == ("Lee Kim", "Dana Meier")
    assert who["billing"] == ("Sam Okafor", "Dana Meier")
    assert who["credit"] == ("Lee Kim", "Dana Meier")
    assert who["documents"][0].startswith("ann@")
    assert all(step["status"] == "completed" for step in case["steps"])


def test_each_tool_got_what_it_should_once(played: tuple[Json, Path]) -> None:
    """Two issues, one row, one task in the CRM: nothing missing, nothing twice."""
    report, _ = played
    created = [
        (push["connection"], push["object"]) for push in report["pushes"] if push["op"] == "create"
    ]
    assert sorted(created) == [
        ("crm", "task"), ("github", "issue"), ("github", "issue"), ("tracker", "row"),
    ]  # fmt: skip
    assert {push["status"] for push in report["pushes"]} <= {"sent", "superseded"}
    assert [issue["state"] for issue in report["tools"]["github"]] == ["closed", "closed"]
    assert len(report["tools"]["tracker"]) == 1


def test_the_spreadsheet_opens_with_the_right_rows(
    played: tuple[Json, Path], tmp_path: Path
) -> None:
    """In openpyxl, and in LibreOffice where it is installed."""
    file = played[1]
    sheet = openpyxl.load_workbook(file).active
    header, row = [[cell.value for cell in line] for line in sheet.iter_rows()]
    shown = dict(zip(header, row, strict=True))
    assert shown["Title"].startswith("Set up billing for ")
    assert shown["Status"] == "Done"
    assert shown["Owner"] == "sam@acme.test"
    try:
        subprocess.run(
            ["soffice", "--headless", "--convert-to", "csv", "--outdir", str(tmp_path), str(file)],
            check=True, capture_output=True, timeout=100,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("LibreOffice is not installed")
    lines = (tmp_path / "tracker.csv").read_text().splitlines()
    assert shown["Title"] in lines[1]


@pytest.mark.scaled
def test_the_story_reaches_its_end_on_postgresql_and_redis_with_two_workers(
    postgres_server: str, redis_url: str
) -> None:
    """The same story, the same code, several processes."""
    from tests.servers import fresh_database

    with fresh_database(postgres_server) as database:
        extra = {
            "HUB_DATABASE_URL": database,
            "HUB_REDIS_URL": redis_url,
            "HUB_SECRET_KEY": "a-key-for-the-scaled-story-only",
        }
        with World("onboarding", extra=extra) as world:
            subprocess.run(world.command("migrate"), env=world.env, check=True)
            subprocess.run(world.command("apply", str(world.workspace)), env=world.env, check=True)
            parts = {
                "web": world.command("web", "--port", str(world.port)),
                "worker_1": world.command("worker"),
                "worker_2": world.command("worker"),
                "scheduler": world.command("scheduler"),
            }
            report = play(world, seed=7, parts=parts)
    assert report["ok"], report["error"]
    assert report["exceptions"] == []
    assert len(report["tools"]["github"]) == 2
    assert len(report["tools"]["tracker"]) == 1

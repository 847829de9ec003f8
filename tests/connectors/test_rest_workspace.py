"""A description in the workspace: inline or in a file of services/, mistakes at their places."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.rest.connector import RestConnector
from hub.workspace import Loaded, load, read_files

HUB = """\
name: acme
connections:
  tracker:
    connector: rest
    base_url: https://tracker.example.com
    auth: {key: env:TRACKER_KEY}
    service: tracker
  second:
    connector: rest
    base_url: https://second.example.com
    auth: {key: env:SECOND_KEY}
    service: tracker
"""
SERVICE = """\
title: Tracker
auth: {type: header, name: X-Api-Key}
objects:
  issue:
    title: Issue
    updated_at: updated_on
    list:
      path: /issues.json
      records: issues
      since: {parameter: updated_on, template: ">={since}"}
"""
MAPPING = """\
mapping: tracker-issue
connection: tracker
object: issue
entity: task
fields: {title: $.subject}
"""


def loaded(service: str | None, hub: str = HUB, **files: str) -> Loaded:
    texts = {"hub.yaml": hub, **{name.replace("__", "/") + ".yaml": t for name, t in files.items()}}
    if service is not None:
        texts["services/tracker.yaml"] = service
    return load(texts, {"rest": RestConnector})


def test_a_file_of_services_stands_in_for_the_description() -> None:
    result = loaded(SERVICE, mappings__issue=MAPPING)
    assert result.errors == ()
    assert result.workspace is not None
    spec = result.workspace.connections["tracker"]
    settings = spec.settings(RestConnector, lambda reference: f"value of {reference}")
    connector = RestConnector("tracker", settings)
    assert connector.title == "Tracker"
    assert list(connector.objects) == ["issue"]
    assert RestConnector.offers(spec.raw)["issue"].pull
    assert "value of" not in repr(settings)


@pytest.mark.parametrize(
    ("wrong", "place", "says"),
    [
        (("path: /issues.json", "path: issues.json"), "8:13", "begins with a slash"),
        (("records: issues", "recrods: issues"), "9:7", "recrods"),
        (("updated_at: updated_on", "updated_at: a..b"), "6:17", "not offered"),
        (("name: X-Api-Key", "nam: X-Api-Key"), "2:22", "nam"),
        (("{since}", "{sinse}"), "10:48", "{sinse}"),
        (("title: Issue", "title: [Issue"), "6:15", "YAML"),
    ],
)
def test_a_mistake_is_told_once_at_its_place_in_the_file(
    wrong: tuple[str, str], place: str, says: str
) -> None:
    result = loaded(SERVICE.replace(*wrong))
    (first, *_) = [one for one in result.errors if one.place.file == "services/tracker.yaml"]
    assert says in f"{first.message} {first.hint}"
    assert str(first.place) == f"services/tracker.yaml:{place}"
    assert first.excerpt in SERVICE.replace(*wrong)
    assert len({str(one) for one in result.errors}) == len(result.errors)


def test_a_file_that_is_not_there_is_named_with_those_that_are() -> None:
    result = loaded(SERVICE, HUB.replace("service: tracker", "service: trakcer", 1))
    (first, *_) = result.errors
    assert first.place.file == "hub.yaml"
    assert "trakcer" in first.message
    assert "tracker" in first.hint


def test_a_missing_secret_is_told_by_its_key() -> None:
    result = loaded(SERVICE, HUB.replace("auth: {key: env:TRACKER_KEY}", "auth: {}"))
    assert any("auth.key" in one.message for one in result.errors)


def test_a_description_may_stand_in_hub_yaml_itself() -> None:
    inline = (
        HUB.replace("service: tracker", "service: {objects: {issue: {list: {path: /issues}}}}")
        .replace("    auth: {key: env:TRACKER_KEY}\n", "")
        .replace("    auth: {key: env:SECOND_KEY}\n", "")
    )
    assert loaded(None, inline).errors == ()


def test_services_are_part_of_the_workspace_and_of_its_revisions(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / "hub.yaml").write_text(HUB)
    (tmp_path / "services" / "tracker.yaml").write_text(SERVICE)
    assert set(read_files(tmp_path)) == {"hub.yaml", "services/tracker.yaml"}

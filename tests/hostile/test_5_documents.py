"""Rows about documents that attack their reader: XML, YAML, regular expressions, templates."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub.apply import NotValid, apply
from hub.registry import connector_classes
from hub.store import tables as t
from tests.hostile.conftest import refusal
from tests.hostile.house import ENV, TOKEN, House, standard

DTD = b'<?xml version="1.0"?><!DOCTYPE a [<!ELEMENT a ANY>]><a/>'
EXTERNAL = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a0 "ha">'
    + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12))
    + b"]><a>&a11;</a>"
)
XML = [
    pytest.param(DTD, id="dtd"),
    pytest.param(EXTERNAL, id="external_entity"),
    pytest.param(BOMB, id="entity_bomb"),
    pytest.param(BOMB.decode().encode("utf-16"), id="bomb_in_utf_16"),
]


def refused(home: House, **files: str) -> list[str]:
    """What is said against a workspace with these files. Every message names its place."""
    named = {name.replace("__", "/") + ".yaml": text for name, text in files.items()}
    with pytest.raises(NotValid) as caught:
        apply(
            home.hub.database, {**home.files, **named}, connector_classes(), datetime.now(UTC),
            env=ENV, force=True,
        )  # fmt: skip
    errors = [one for one in caught.value.findings if one.severity == "error"]
    assert errors
    assert all(one.place.file in named and one.place.line >= 1 for one in errors)
    return [one.message for one in errors]


class TestXml:
    @pytest.mark.parametrize("body", XML)
    def test_where_the_proof_stands_inside_it_is_refused(self, home: House, body: bytes) -> None:
        answer = home.hook(f"org/{TOKEN}", body, {"content-type": "text/xml"})
        assert refusal(answer, 400) == "xml_dtd_forbidden"

    @pytest.mark.parametrize("body", XML)
    def test_else_it_is_taken_and_put_aside_unexpanded(self, home: House, body: bytes) -> None:
        before = time.process_time()
        answer = home.hook(f"crm/{TOKEN}", body, {"content-type": "text/xml"})
        assert answer.status_code == 200
        assert b"Ack" in answer.content
        home.work()
        kept = home.rows(
            sa.select(t.deliveries)
            .where(t.deliveries.c.connection == "crm")
            .order_by(t.deliveries.c.position.desc())
        )[0]
        assert (bytes(kept["body"]), kept["status"]) == (body, "quarantined")
        assert "xml_dtd_forbidden" in kept["error"] or "not XML" in kept["error"]
        assert time.process_time() - before < 10  # an expanded one would take all memory


class TestYaml:
    @pytest.mark.parametrize(
        "value",
        [
            '!!python/object/apply:os.system ["touch {marker}"]',
            "!!python/name:os.system",
            "!<tag:yaml.org,2002:python/object/new:os.system> [x]",
            "!custom {}",
        ],
        ids=["apply", "name", "verbatim_tag", "unknown_tag"],
    )
    def test_tags_are_refused_and_build_nothing(
        self, home: House, tmp_path: Path, value: str
    ) -> None:
        marker = tmp_path / "marker"
        told = refused(home, rules__r=f"rules: {value.replace('{marker}', str(marker))}\n")
        assert any("tag" in one for one in told), told
        assert not marker.exists()

    def test_an_alias_bomb_is_refused_before_it_unfolds(self, home: House) -> None:
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        for n in range(1, 30):
            lines.append(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]")
        before = time.process_time()
        assert refused(home, rules__r="\n".join(lines) + "\n")
        assert time.process_time() - before < 5


class TestBombsOfPatternsAndPaths:
    def mapping(self, field: str) -> str:
        return (
            f"mapping: order\nconnection: shop\nobject: order\nentity: task\nfields:\n  {field}\n"
        )

    def record(self, home: House, id: str, text: str) -> None:
        body = b'{"type":"t","data":{"id":"%s","title":"T","text":"%s"}}' % (
            id.encode(), text.encode(),
        )  # fmt: skip
        assert home.hook("shop", body, standard(body, id)).status_code == 202

    def test_a_pattern_that_others_backtrack_over_takes_linear_time(self, alone: House) -> None:
        text = self.mapping('title: {from: $.text, as: [{regex: "^((a+)+)$"}], default: none}')
        apply(
            alone.hub.database, {**alone.files, "mappings/order.yaml": text}, connector_classes(),
            datetime.now(UTC), env=ENV, force=True,
        )  # fmt: skip
        self.record(alone, "bomb", "a" * 100_000 + "!")
        before = time.process_time()
        alone.work()
        assert time.process_time() - before < 5
        (delivery,) = alone.call("GET", "deliveries").json()["items"]
        assert delivery["status"] == "processed"

    @pytest.mark.parametrize("pattern", ["(?=a)b", "(a)\\\\1", "(a{1000}){1000}"])
    def test_what_cannot_be_linear_is_refused(self, home: House, pattern: str) -> None:
        told = refused(
            home,
            mappings__order=self.mapping(f'title: {{from: $.text, as: [{{regex: "{pattern}"}}]}}'),
        )
        assert any("regex" in one or "pattern" in one or "regular" in one for one in told), told

    def test_a_path_over_everything_ends_at_its_budget(self, alone: House) -> None:
        """100,000 nodes and a path that visits each: flagged, not waited for."""
        text = self.mapping('title: {from: "$..*..*..x", default: none}')
        try:
            apply(
                alone.hub.database, {**alone.files, "mappings/order.yaml": text},
                connector_classes(), datetime.now(UTC), env=ENV, force=True,
            )  # fmt: skip
        except NotValid as refusal_:
            assert any("$..*" in one.message for one in refusal_.findings)  # noqa: PT017
            return
        inner = b"[" + b",".join([b"[1,2,3,4,5,6,7,8,9]"] * 10_000) + b"]"
        body = b'{"type":"t","data":{"id":"1","text":%s}}' % inner
        assert alone.hook("shop", body, standard(body, "wide")).status_code == 202
        before = time.process_time()
        alone.work()
        assert time.process_time() - before < 10
        assert alone.call("GET", "exceptions").json()["items"]


class TestTemplates:
    @pytest.mark.parametrize(
        "text",
        ["${''.__class__}", "${''.__class__.__mro__}", "${case | attr('format')}",
         "${case.data.x.format(1)}", "${__import__('os')}", "${(lambda: 1)()}"],
    )  # fmt: skip
    def test_what_would_be_code_elsewhere_is_refused(self, home: House, text: str) -> None:
        process = home.files["processes/question.yaml"].replace(
            "title: Grant credit", f'title: "Grant {text}"'
        )
        assert refused(home, processes__question=process)

    @pytest.mark.parametrize(
        "text", ["{{''.__class__}}", "{{ 7*7 }}", "{% import os %}", "<%= 7*7 %>", "#{7*7}"]
    )
    def test_what_is_a_template_elsewhere_is_only_text(self, alone: House, text: str) -> None:
        process = alone.files["processes/question.yaml"].replace(
            "title: Grant credit", f'title: "Grant {text}"'
        )
        files = {**alone.files, "processes/question.yaml": process}
        apply(
            alone.hub.database, files, connector_classes(), datetime.now(UTC), env=ENV, force=True
        )
        case = alone.call("POST", "cases", json={"process": "question", "title": text}).json()
        assert case["title"] == text
        shown: Any = alone.call("GET", f"cases/{case['id']}").json()
        assert shown["steps"][0]["title"] == f"Grant {text}"

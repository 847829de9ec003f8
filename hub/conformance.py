"""The conformance kit with everything: the checks of the SDK, those of a connector's own mappings,
and the ways in for pytest and for `hub connector test`.

In a connector's package one line makes all of them tests:

    test_conformance = suite(AcmeConnector)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from connectors.sdk import Connector, Record, Tier
from connectors.sdk.conformance import CHECKS, Failed, Finding, Scorecard, Stage, check, run
from connectors.sdk.conformance.kit import creates, must, objects_of, pulls
from connectors.sdk.conformance.pushing import creation, done, push
from connectors.sdk.records import Change, ObjectSpec
from connectors.sdk.sandbox import Inapplicable
from hub.workspace.mapping_files import default_mappings
from mappings.check import check_mapping
from mappings.compiler import CompiledMapping, compile_mapping
from mappings.examples import Namesakes, run_examples
from mappings.language import load_mapping, resolve

__all__ = ["CHECKS", "Scorecard", "run", "suite"]


@cache
def mappings_of(cls: type[Connector]) -> Mapping[str, CompiledMapping]:
    """The default mappings of a connector by object. Raises Failed where one is not valid."""
    specs = []
    for file, text in default_mappings(cls):
        spec, findings = load_mapping(file, text)
        errors = [str(one) for one in findings if one.severity == "error"]
        must(spec is not None and not errors, "; ".join(errors))
        if spec is not None:
            specs.append(spec)
    resolved, findings = resolve(specs)
    problems = [*findings, *(one for spec in resolved.values() for one in check_mapping(spec))]
    errors = [str(one) for one in problems if one.severity == "error"]
    must(not errors, "; ".join(errors))
    compiled = [compile_mapping(spec, "UTC") for spec in resolved.values()]
    return {one.spec.object: one for one in compiled if one.spec.object}


def mapped(cls: type[Connector], spec: ObjectSpec) -> bool:
    return pulls(cls, spec) and bool(default_mappings(cls))


def _mapping(stage: Stage) -> CompiledMapping:
    found = mappings_of(stage.cls).get(stage.object)
    if found is None:
        raise Inapplicable(f"no default mapping for {stage.object}")
    return found


@check(
    "keeps-its-examples",
    Tier.BRONZE,
    "A default mapping is used as it is; its examples are its promise.",
    lambda cls, spec: bool(default_mappings(cls)),
    once=True,
)
def keeps_its_examples(stage: Stage) -> None:
    import json
    from importlib import resources

    package = resources.files(stage.cls.__module__.rpartition(".")[0])
    for mapping in mappings_of(stage.cls).values():
        findings = run_examples(
            mapping, lambda path: json.loads(package.joinpath(path).read_text())
        )
        must(not findings, "; ".join(str(one) for one in findings))


@check(
    "maps-what-it-pulls",
    Tier.BRONZE,
    "The first pull of a new connection must show tasks, not a page of mapping errors.",
    mapped,
)
def maps_what_it_pulls(stage: Stage) -> None:
    mapping = _mapping(stage)
    stage.drill.seed(stage.object, 5)
    connector = stage.connector()
    asked = mapping.source_fields
    records = [
        one
        for page in connector.pull(stage.object, {}, asked)
        for one in page.records
        if one.object == stage.object
    ]
    must(len(records) >= 5, f"With the fields of the mapping {len(records)} of 5 are pulled.")
    titles = 0
    for one in records:
        values = _inward(mapping, one)
        titles += bool(values and (values.get("title") or values.get("name") or values.get("body")))
    must(titles, "No record gets a title, name or body.")


def _inward(mapping: CompiledMapping, record: Record) -> dict[str, Any] | None:
    if not mapping.matches(record.data):
        return None
    result = mapping.inward(record.data, Namesakes(), "kit")
    if result.problems:
        first = result.problems[0]
        raise Failed(f"{first.place}: {first.field}: {first.message}")
    return result.values


@check(
    "maps-there-and-back",
    Tier.SILVER,
    "What the hub writes and then reads must be what it meant, or every sync looks like an edit.",
    lambda cls, spec: mapped(cls, spec) and creates(cls, spec),
)
def maps_there_and_back(stage: Stage) -> None:
    mapping = _mapping(stage)
    if mapping.spec.direction == "in":
        raise Inapplicable("its default mapping goes inward only")
    wanted = _inward(mapping, done(push(stage, creation(stage, "kit-m1"))[0]))
    must(wanted is not None, "The default mapping leaves out what the hub creates.")
    outward = mapping.outward(wanted or {}, Namesakes(), "kit")
    if outward.problems:
        raise Failed(f"{outward.problems[0].field}: {outward.problems[0].message}")
    like = creation(stage, "kit-m2")
    change = Change(
        "create", stage.object, like.key, {**like.fields, **outward.fields},
        address=like.address, parent=like.parent, created_at=like.created_at,
    )  # fmt: skip
    got = _inward(mapping, done(push(stage, change)[0])) or {}
    written = {name for name in wanted or {} if mapping.invertible(name)}
    differing = sorted(name for name in written if (wanted or {})[name] != got.get(name))
    must(not differing, f"Written and read again, {differing} differ.")


# ----------------------------------------------------------------------------------------- pytest


def suite(cls: type[Connector], only: Sequence[str] = ()) -> Callable[..., None]:
    """A pytest test for each check that concerns this connector, and one that it earns what it
    claims. `only` names checks to play alone.
    """
    import pytest

    specs = objects_of(cls)
    names = [
        name
        for name, one in CHECKS.items()
        if (not only or name in only) and any(one.concerns(cls, spec) for spec in specs.values())
    ]
    findings: dict[str, Finding] = {}

    @pytest.mark.parametrize("check", [*names, *([] if only else ["earns-its-tier"])])
    def test_conformance(check: str) -> None:
        if check != "earns-its-tier":
            found = findings[check] = run(CHECKS[check], cls)
            if found.verdict == "failed":
                pytest.fail(f"{check}: {found.detail}\nWhy it matters: {found.check.why}", False)
            if found.verdict != "passed":
                pytest.skip(f"{found.verdict}: {found.detail}")
            return
        for name in names:
            if name not in findings:
                findings[name] = run(CHECKS[name], cls)
        earned = Scorecard(cls, list(findings.values())).tier
        assert earned == cls.tier, f"It claims {cls.tier.name} and earns {earned.name}."  # noqa: S101

    return test_conformance

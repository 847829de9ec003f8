"""BPMN 2.0: everything of a process has its element and its shape, and other tools can read it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest
import SpiffWorkflow
from hypothesis import given, settings
from lxml import etree
from SpiffWorkflow.bpmn.parser.BpmnParser import BpmnParser

from hub.process.bpmn.document import BPMN, DI, bpmn, iso
from hub.process.calendar import parse_duration
from hub.process.drawing.lettering import readable
from hub.process.model import ProcessDefinition
from tests.hub.process.drawn import any_process, chain, everything, loaded

TAG = f"{{{BPMN}}}"


def root() -> ElementTree.Element:
    return ElementTree.fromstring(bpmn(everything()))  # noqa: S314 - our own


def test_every_kind_of_step_has_its_element() -> None:
    found = root()
    by_id = {one.get("id"): one for one in found.iter() if one.get("id")}
    for id, tag in {
        "step_order": "userTask", "step_price": "userTask", "decided_price": "exclusiveGateway",
        "step_paid": "intermediateCatchEvent", "step_ready": "intermediateThrowEvent",
        "step_customs": "callActivity", "if_customs": "exclusiveGateway",
        "either_customs": "exclusiveGateway", "fork_order": "parallelGateway",
        "join_ready": "parallelGateway", "due_step_order": "boundaryEvent",
        "undone_step_build": "userTask", "again_order": "exclusiveGateway",
    }.items():  # fmt: skip
        assert by_id[id].tag == TAG + tag, id
    assert by_id["step_customs"].get("calledElement") == "process_customs"
    assert by_id["due_step_order"].get("cancelActivity") == "false"
    assert by_id["undone_step_build"].get("isForCompensation") == "true"
    many = by_id["step_build"].find(f"{TAG}multiInstanceLoopCharacteristics")
    assert many is not None
    assert many.findtext(f"{TAG}loopCardinality") == "size(case.data.positions)"
    assert by_id["ends_price_rejected"].find(f"{TAG}terminateEventDefinition") is not None
    assert by_id["if_customs"].get("default") in by_id


def test_conditions_stand_on_the_flows_that_they_open() -> None:
    said = {
        (one.get("sourceRef"), one.get("targetRef")): one.findtext(f"{TAG}conditionExpression")
        for one in root().iter(f"{TAG}sequenceFlow")
    }
    assert said["if_customs", "step_customs"] == "case.data.country != 'CH'"
    assert said["decided_price", "again_order"] == "outcome == 'changes_requested'"
    assert said["decided_price", "either_price"] == "outcome in ['approved']"
    assert said["if_price", "either_price"] is None


def test_everything_that_is_said_is_drawn_and_points_at_what_is_there() -> None:
    found = root()
    ids = {str(one.get("id")) for one in found.iter() if one.get("id")}
    assert len(ids) == sum(one.get("id") is not None for one in found.iter())
    shapes = [*found.iter(f"{{{DI}}}BPMNShape"), *found.iter(f"{{{DI}}}BPMNEdge")]
    drawn = {one.get("bpmnElement") for one in shapes}
    assert drawn <= ids
    process = found.find(f"{TAG}process")
    assert process is not None
    wanted = {one.get("id") for one in process if one.get("id") and one.tag != f"{TAG}laneSet"}
    assert wanted <= drawn
    for flow in found.iter(f"{TAG}sequenceFlow"):
        assert {flow.get("sourceRef"), flow.get("targetRef")} <= ids
    lanes = [one.text for one in found.iter(f"{TAG}flowNodeRef")]
    assert len(lanes) == len(set(lanes))


def test_who_has_it_is_a_lane() -> None:
    names = [one.get("name") for one in root().iter(f"{TAG}lane")]
    assert names == ["Sales", "Outside: \u2039customer email\u203a", "Finance lead", "Production",
                     "Ops lead"]  # fmt: skip


def test_the_same_process_makes_the_same_document() -> None:
    assert bpmn(everything()) == bpmn(everything())


@pytest.mark.parametrize(
    ("said", "meant"), [("2bd", "P2D"), ("4bh", "PT4H"), ("3d", "P3D"), ("30m", "PT30M")]
)
def test_durations_are_those_of_iso_8601(said: str, meant: str) -> None:
    assert iso(parse_duration(said)) == meant


SCHEMA = Path(SpiffWorkflow.__file__).parent / "bpmn" / "parser" / "schema" / "BPMN20.xsd"


@cache
def schema() -> etree.XMLSchema:
    """The OMG's, as SpiffWorkflow ships it."""
    return etree.XMLSchema(etree.parse(str(SCHEMA)))


def shipped() -> list[ProcessDefinition]:
    return [
        loaded(file.read_text("utf-8"))
        for file in sorted(Path("examples").glob("*/processes/*.yaml"))
    ]


def test_what_we_ship_is_valid_by_the_schema_of_the_standard() -> None:
    files = [*shipped(), everything(), chain(30)]
    assert len(files) > 2
    for process in files:
        schema().assertValid(etree.fromstring(bpmn(process).encode()))


@given(any_process())
@settings(max_examples=60, deadline=None)
def test_any_process_is_valid_by_it_and_an_engine_of_others_reads_it(
    process: ProcessDefinition,
) -> None:
    text = bpmn(process)
    schema().assertValid(etree.fromstring(text.encode()))
    parser = BpmnParser()
    runs = text.replace('isExecutable="false"', 'isExecutable="true"')  # else it reads no steps
    parser.add_bpmn_xml(etree.fromstring(runs.encode()))
    read = parser.get_spec("process_any").task_specs.values()
    names = {task.bpmn_name for task in read if getattr(task, "bpmn_name", None)}
    steps = [step for step in process.steps.values() if step.type in ("task", "decision")]
    assert {" ".join(readable(step.title.text).split()) for step in steps} <= names


def test_steps_may_be_called_as_what_stands_round_them() -> None:
    process = loaded(
        "process: p\ntitle: P\naccountable: dana\nsteps:\n"
        "  start: {title: A}\n  other: {title: B}\n"
        "  end: {title: C, after: [start, other]}\n  fork: {title: D, after: [start, other]}\n"
    )
    text = bpmn(process)
    schema().assertValid(etree.fromstring(text.encode()))
    assert text.count("<bpmn:parallelGateway") == 6

"""The BPMN 2.0 document of a process: meaning first, then where everything stands."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import (
    Element,
    SubElement,
    indent,
    register_namespace,
    tostring,
)

from hub.process.bpmn.flow import Graph, Node, graph, safe
from hub.process.bpmn.picture import Picture, Rectangle, picture
from hub.process.calendar import Duration
from hub.process.drawing.layout import Point
from hub.process.drawing.lettering import readable
from hub.process.model import ProcessDefinition, StepDefinition

BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"
DI = "http://www.omg.org/spec/BPMN/20100524/DI"
DC = "http://www.omg.org/spec/DD/20100524/DC"
LINES = "http://www.omg.org/spec/DD/20100524/DI"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
CEL = "https://github.com/google/cel-spec"
OURS = "urn:process-hub:process"
MEDIA_TYPE = "application/xml"
_EVENTS = {"catch": "intermediateCatchEvent", "throw": "intermediateThrowEvent"}

for _prefix, _uri in (("bpmn", BPMN), ("bpmndi", DI), ("dc", DC), ("di", LINES), ("xsi", XSI)):
    register_namespace(_prefix, _uri)


def bpmn(process: ProcessDefinition, people: Mapping[str, str] | None = None) -> str:
    """The document, the same for the same process. `people` are names by key."""
    return _Writing(process, graph(process, people)).text()


class _Writing:
    def __init__(self, process: ProcessDefinition, drawn: Graph) -> None:
        self.process, self.graph = process, drawn
        self.key = f"process_{safe(process.key)}"
        self.lanes = {lane: f"lane_{number}" for number, lane in enumerate(drawn.lanes, 1)}
        self.top = Element(
            f"{{{BPMN}}}definitions",
            {
                "id": f"definitions_{safe(process.key)}",
                "name": process.title,
                "targetNamespace": OURS,
                "expressionLanguage": CEL,
                "exporter": "Process Hub",
            },
        )
        self.extra: list[tuple[str, str, str]] = []
        """Flows and associations of what is attached: id, source, target."""

    def text(self) -> str:
        waits = [node for node in self.graph.nodes.values() if node.step and node.step.wait]
        for node in waits:
            if node.step is not None and node.step.wait is not None:
                name = node.step.wait.event
                self._add(self.top, "message", id=f"message_{node.id}", name=name)
        together = self._add(self.top, "collaboration", id="collaboration")
        self._add(together, "participant", id="pool", name=self.process.title, processRef=self.key)
        self._process()
        self._picture(picture(self.graph))
        indent(self.top)
        head = '<?xml version="1.0" encoding="UTF-8"?>\n'
        return head + tostring(self.top, encoding="unicode") + "\n"

    @staticmethod
    def _add(parent: Element, tag: str, **attributes: str) -> Element:
        return SubElement(parent, f"{{{BPMN}}}{tag}", attributes)

    def _say(self, parent: Element, *texts: str | None) -> None:
        said = "\n".join(text for text in texts if text)
        if said:
            self._add(parent, "documentation").text = said

    def _formal(self, parent: Element, tag: str, text: str) -> None:
        one = self._add(parent, tag)
        one.set(f"{{{XSI}}}type", "bpmn:tFormalExpression")
        one.text = text

    # ------------------------------------------------------------------------------- meaning

    def _process(self) -> None:
        process = self._add(
            self.top, "process", id=self.key, name=self.process.title, isExecutable="false"
        )
        due = self.process.due
        self._say(
            process,
            self.process.description,
            f"Accountable: {self.process.accountable}",
            f"Due in {due.in_words()}" if due else None,
        )
        lanes = self._add(process, "laneSet", id="lanes")
        nodes = self.graph.nodes.values()
        for name, id in self.lanes.items():
            lane = self._add(lanes, "lane", id=id, name=name)
            for node in nodes:
                if node.lane == name:
                    for inside in (node.id, *self._hanging(node)):
                        self._add(lane, "flowNodeRef").text = inside
        for node in nodes:
            self._node(process, node)
        for flow in self.graph.flows:
            one = self._add(
                process, "sequenceFlow", id=flow.id, sourceRef=flow.source, targetRef=flow.target
            )
            if flow.name:
                one.set("name", flow.name)
            if flow.condition:
                self._formal(one, "conditionExpression", flow.condition)
        for id, source, target in self.extra:
            if id.startswith("flow_"):
                self._add(process, "sequenceFlow", id=id, sourceRef=source, targetRef=target)
        for id, source, target in self.extra:
            if not id.startswith("flow_"):
                self._add(
                    process, "association", id=id, sourceRef=source, targetRef=target,
                    associationDirection="One",
                )  # fmt: skip

    @staticmethod
    def _timed(node: Node) -> bool:
        activity = node.kind in ("userTask", "callActivity")
        return activity and node.step is not None and node.step.due is not None

    def _hanging(self, node: Node) -> list[str]:
        found = []
        if self._timed(node):
            found += [f"due_{node.id}", f"late_{node.id}"]
        if node.step is not None and node.step.compensation is not None:
            found += [f"undo_{node.id}", f"undone_{node.id}"]
        return found

    def _node(self, process: Element, node: Node) -> None:
        tag = _EVENTS.get(node.kind) or ("endEvent" if node.kind == "terminate" else node.kind)
        one = self._add(process, tag, id=node.id)
        if node.name:
            one.set("name", node.name)
        if node.default:
            one.set("default", node.default)
        step = node.step
        if step is not None:
            self._say(one, *_documented(step))
        for flow in self.graph.into(node.id):
            self._add(one, "incoming").text = flow.id
        for flow in self.graph.out_of(node.id):
            self._add(one, "outgoing").text = flow.id
        if node.kind == "terminate":
            self._add(one, "terminateEventDefinition", id=f"terminate_{node.id}")
        if step is None:
            return
        if step.part is not None:
            one.set("calledElement", f"process_{safe(step.part.process)}")
        if step.wait is not None:
            self._add(
                one, "messageEventDefinition", id=f"event_{node.id}",
                messageRef=f"message_{node.id}",
            )  # fmt: skip
        who = step.decider or step.responsible
        if who is not None and node.kind == "userTask":
            tag = "humanPerformer" if who.kind in ("person", "external") else "potentialOwner"
            owner = self._add(one, tag, id=f"who_{node.id}")
            text = self._add(owner, "resourceAssignmentExpression")
            self._add(text, "formalExpression").text = str(who)
        if step.each is not None and node.kind in ("userTask", "callActivity"):
            many = self._add(one, "multiInstanceLoopCharacteristics", isSequential="false")
            listed = step.each.text.strip().removeprefix("${").removesuffix("}")
            self._formal(many, "loopCardinality", f"size({listed})")
        self._attach(process, node, step)

    def _attach(self, process: Element, node: Node, step: StepDefinition) -> None:
        if self._timed(node) and step.due is not None:
            due = self._add(
                process, "boundaryEvent", id=f"due_{node.id}", attachedToRef=node.id,
                cancelActivity="false",
            )  # fmt: skip
            late, flow = f"late_{node.id}", f"flow_late_{node.id}"
            self._say(due, f"Due in {step.due.in_words()}", _ladder(step))
            self._add(due, "outgoing").text = flow
            timer = self._add(due, "timerEventDefinition", id=f"timer_{node.id}")
            self._formal(timer, "timeDuration", iso(step.due))
            end = self._add(process, "endEvent", id=late, name="Overdue")
            self._add(end, "incoming").text = flow
            self._add(end, "escalationEventDefinition", id=f"escalation_{node.id}")
            self.extra.append((flow, f"due_{node.id}", late))
        if step.compensation is not None:
            undo = self._add(process, "boundaryEvent", id=f"undo_{node.id}", attachedToRef=node.id)
            self._add(undo, "compensateEventDefinition", id=f"compensation_{node.id}")
            self._add(
                process, "userTask", id=f"undone_{node.id}", isForCompensation="true",
                name=readable(step.compensation.text),
            )  # fmt: skip
            self.extra.append((f"to_undo_{node.id}", f"undo_{node.id}", f"undone_{node.id}"))

    # ------------------------------------------------------------------------------- picture

    def _picture(self, drawn: Picture) -> None:
        diagram = SubElement(self.top, f"{{{DI}}}BPMNDiagram", {"id": "diagram"})
        plane = SubElement(
            diagram, f"{{{DI}}}BPMNPlane", {"id": "plane", "bpmnElement": "collaboration"}
        )
        _shape(plane, "pool", drawn.pool, isHorizontal="true")
        for lane, where in drawn.lanes.items():
            _shape(plane, self.lanes[lane], where, isHorizontal="true")
        for id, where in drawn.shapes.items():
            gate = id in self.graph.nodes and self.graph.nodes[id].kind == "exclusiveGateway"
            more = {"isMarkerVisible": "true"} if gate else {}
            if id in self.graph.nodes and self.graph.nodes[id].kind == "callActivity":
                more = {"isExpanded": "false"}
            one = _shape(plane, id, where, **more)
            if id in drawn.labels:
                _label(one, drawn.labels[id])
        for id, points in drawn.lines.items():
            _edge(plane, id, points, drawn.labels.get(id))
        for id, source, target in self.extra:
            above, below = drawn.shapes[source], drawn.shapes[target]
            x = above.x + above.width / 2
            _edge(plane, id, [(x, above.y + above.height), (x, below.y)], None)


def _shape(plane: Element, of: str, where: Rectangle, **more: str) -> Element:
    shape = SubElement(
        plane, f"{{{DI}}}BPMNShape", {"id": f"shape_{of}", "bpmnElement": of, **more}
    )
    SubElement(shape, f"{{{DC}}}Bounds", _bounds(where))
    return shape


def _label(shape: Element, where: Rectangle) -> None:
    SubElement(SubElement(shape, f"{{{DI}}}BPMNLabel"), f"{{{DC}}}Bounds", _bounds(where))


def _edge(plane: Element, of: str, points: list[Point], label: Rectangle | None) -> None:
    edge = SubElement(plane, f"{{{DI}}}BPMNEdge", {"id": f"edge_{of}", "bpmnElement": of})
    for x, y in points:
        SubElement(edge, f"{{{LINES}}}waypoint", {"x": _n(x), "y": _n(y)})
    if label is not None:
        _label(edge, label)


def _bounds(where: Rectangle) -> dict[str, str]:
    return {
        "x": _n(where.x), "y": _n(where.y), "width": _n(where.width), "height": _n(where.height)
    }  # fmt: skip


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def iso(length: Duration) -> str:
    """An ISO 8601 duration. Business days and hours have none: their number is given, and the
    words beside it say what they are.
    """
    return {
        "bd": f"P{length.amount}D", "d": f"P{length.amount}D", "bh": f"PT{length.amount}H",
        "h": f"PT{length.amount}H", "m": f"PT{length.amount}M", "s": f"PT{length.amount}S",
    }[length.unit]  # fmt: skip


def _ladder(step: StepDefinition) -> str | None:
    told = [f"{one.after.in_words()} later: {one.to}" for one in step.escalate]
    return f"Escalates {', '.join(told)}" if told else None


def _documented(step: StepDefinition) -> list[str | None]:
    """What BPMN has no place for."""
    who = step.decider or step.responsible
    return [
        step.description.text if step.description else None,
        f"Delivers: {step.delivers}" if step.delivers else None,
        f"Responsible: {who}" if who else None,
        f"Accountable: {step.accountable}" if step.accountable else None,
        f"Due in {step.due.in_words()}" if step.due else None,
        f"In {step.connection}" if step.connection else None,
        f"Options: {', '.join(step.options)}" if step.options else None,
        f"Votes needed: {step.quorum}" if step.quorum > 1 else None,
        f"Once per element of {step.each.text}" if step.each else None,
        f"If: {step.wait.filter.text}" if step.wait and step.wait.filter else None,
        f"Key: {step.wait.key.text}" if step.wait and step.wait.key else None,
        f"Is undone by: {step.compensation.text}" if step.compensation else None,
    ]

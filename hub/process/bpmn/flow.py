"""A process as the nodes and flows of BPMN, with the gateways that our files need not name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from hub.process.drawing.lettering import label, readable
from hub.process.drawing.sketch import named
from hub.process.model import ProcessDefinition, StepDefinition
from mappings.canonical import StepType

Kind = Literal[
    "startEvent", "endEvent", "terminate", "userTask", "callActivity", "catch", "throw",
    "exclusiveGateway", "parallelGateway",
]  # fmt: skip
_TASKS: Mapping[StepType, Kind] = {
    StepType.TASK: "userTask",
    StepType.DECISION: "userTask",
    StepType.WAIT: "catch",
    StepType.MILESTONE: "throw",
    StepType.PROCESS: "callActivity",
}


@dataclass(slots=True)
class Node:
    """One flow node; `step` is what it stands for, where it is one. `lane` is who has it."""

    id: str
    kind: Kind
    name: str
    lane: str
    step: StepDefinition | None = None
    default: str | None = None
    """The flow that is taken where no condition holds."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One sequence flow. `condition` is CEL; `back` where it leads to what was done before."""

    id: str
    source: str
    target: str
    name: str = ""
    condition: str = ""
    back: bool = False


@dataclass(slots=True)
class Graph:
    """All nodes and flows of a process, in the order in which they are met."""

    nodes: dict[str, Node] = field(default_factory=dict)
    flows: list[Flow] = field(default_factory=list)
    lanes: list[str] = field(default_factory=list)

    def into(self, node: str) -> Iterator[Flow]:
        return (flow for flow in self.flows if flow.target == node)

    def out_of(self, node: str) -> Iterator[Flow]:
        return (flow for flow in self.flows if flow.source == node)


def graph(process: ProcessDefinition, people: Mapping[str, str] | None = None) -> Graph:
    """The process as BPMN would say it; `people` are names by key."""
    return _Building(process, people or {}).graph()


def safe(key: str) -> str:
    """A key as part of an XML id: what may not stand there is written by its number."""
    return re.sub(r"[^A-Za-z0-9_.-]", lambda match: f"_x{ord(match[0]):x}_", key)


class _Building:
    def __init__(self, process: ProcessDefinition, people: Mapping[str, str]) -> None:
        self.process, self.people = process, people
        self.result = Graph()
        self.entry: dict[str, str] = {}
        self.way_out: dict[str, str] = {}

    def graph(self) -> Graph:
        steps = self.process.steps
        reopened = {
            outcome.reopen
            for step in steps.values()
            for outcome in step.outcomes.values()
            if outcome.reopen
        }
        behind: dict[str, list[str]] = {key: [] for key in steps}
        for key, step in steps.items():
            for one in step.after:
                behind[one].append(key)
        first = next(iter(steps.values()))
        self.node("start", "startEvent", "", self.lane(first))
        for key, step in steps.items():
            self.body(key, step, reopened)
        roots = [key for key, step in steps.items() if not step.after]
        self.split([self.entry[key] for key in roots], self.lane(first), "fork")
        for key, after in behind.items():
            self.split(
                [self.entry[one] for one in after], self.lane(steps[key]), f"fork_{safe(key)}", key
            )
        sinks = [key for key, after in behind.items() if not after]
        last = self.lane(steps[sinks[-1]])
        self.node("end", "endEvent", "Completed", last)
        if len(sinks) > 1:
            self.node("join", "parallelGateway", "", last)
            self.flow("join", "end")
        for key in sinks:
            self.go_on(key, "join" if len(sinks) > 1 else "end")
        return self.result

    # ------------------------------------------------------------------------------ one step

    def body(self, key: str, step: StepDefinition, reopened: set[str]) -> None:
        """A step with what stands before and behind it: join, way back, branch, outcomes."""
        lane, id = self.lane(step), safe(key)
        chain: list[str] = []
        if len(step.after) > 1:
            chain.append(self.node(f"join_{id}", "parallelGateway", "", lane))
        if key in reopened:
            chain.append(self.node(f"again_{id}", "exclusiveGateway", "", lane))
        if step.condition is not None:
            chain.append(self.node(f"if_{id}", "exclusiveGateway", "Needed?", lane))
        task = self.node(f"step_{id}", _TASKS[step.type], readable(step.title.text), lane, step)
        chain.append(task)
        for one, other in pairwise(chain):
            if one.startswith("if_") and step.condition is not None:
                text = " ".join(step.condition.text.split())
                self.flow(one, other, text, step.condition.text)
            else:
                self.flow(one, other)
        self.entry[key] = chain[0]
        self.way_out[key] = self.outcomes(key, step, task, lane)
        if step.condition is not None:
            merge = self.node(f"either_{id}", "exclusiveGateway", "", lane)
            self.go_on(key, merge)
            bypass = self.flow(f"if_{id}", merge, "not needed")
            self.result.nodes[f"if_{id}"].default = bypass
            self.way_out[key] = merge

    def outcomes(self, key: str, step: StepDefinition, task: str, lane: str) -> str:
        """The branch behind a decision that can end elsewhere; the node to go on from."""
        if not step.outcomes:
            return task
        id = safe(key)
        gate = self.node(f"decided_{id}", "exclusiveGateway", "", lane)
        self.flow(task, gate)
        for option, outcome in step.outcomes.items():
            condition = f"outcome == '{option}'"
            if outcome.terminate is not None:
                end = self.node(
                    f"ends_{id}_{safe(option)}", "terminate", readable(outcome.terminate), lane
                )
                self.flow(gate, end, label(option), condition)
            elif outcome.reopen is not None:
                self.flow(
                    gate, f"again_{safe(outcome.reopen)}", label(option), condition, back=True
                )
        return gate

    def go_on(self, key: str, target: str) -> None:
        """The flow out of a step: behind a decision, with what must have been decided."""
        step, source = self.process.steps[key], self.way_out[key]
        going = [option for option in step.options if option not in step.outcomes]
        if not source.startswith("decided_"):
            self.flow(source, target)
        elif going:
            listed = ", ".join(f"'{option}'" for option in going)
            words = " or ".join(label(option) for option in going)
            self.flow(source, target, words, f"outcome in [{listed}]")
        else:  # no option goes on: what is behind stands there all the same
            self.result.nodes[source].default = self.flow(source, target)

    def split(self, targets: list[str], lane: str, id: str, behind: str | None = None) -> None:
        """From the start, or on from the step `behind`, to each of these at the same time."""
        to, *more = targets or [""]
        if more:
            to = self.node(id, "parallelGateway", "", lane)
            for target in targets:
                self.flow(to, target)
        if to and behind:
            self.go_on(behind, to)
        elif to:
            self.flow("start", to)

    # -------------------------------------------------------------------------------- pieces

    def node(
        self, id: str, kind: Kind, name: str, lane: str, step: StepDefinition | None = None
    ) -> str:
        if lane not in self.result.lanes:
            self.result.lanes.append(lane)
        self.result.nodes[id] = Node(id, kind, name, lane, step)
        return id

    def flow(
        self, source: str, target: str, name: str = "", condition: str = "", *, back: bool = False
    ) -> str:
        id = f"flow_{len(self.result.flows) + 1}"
        self.result.flows.append(Flow(id, source, target, name, condition, back))
        return id

    def lane(self, step: StepDefinition) -> str:
        who = step.decider or step.responsible or step.accountable or self.process.accountable
        if who.kind == "accountable":
            who = step.accountable or self.process.accountable
        return named(who, self.people)

"""How good a first draft is: what `hub mapping suggest` proposes, held against the mappings that
people wrote.

For each object with a default mapping, the default is hidden and a draft made from the sandbox's
discover and records; for the held-out objects (tools that there is no connector for) from records
alone. A line is right if it fills the field from a path that the truth has for it; a value of a
value map if it means what the truth says.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from bench._suggest_objects import HARD, OBJECTS, Object
from connectors.sdk import Connector, Source
from hub.registry import connector_classes
from mappings.fields import value_key
from mappings.language import load_mapping
from mappings.spec import UNSET
from mappings.suggest import Draft, Sample, draft_mapping

ROOT = Path(__file__).resolve().parents[1]
CONFIDENT = 0.8

ALSO_RIGHT: Mapping[str, Mapping[str, Sequence[str]]] = {
    # each is what the tool has for this field, though the default leaves it out or reads another
    "github issue": {"requester": ["$.user.login", "$.user.id"], "assignee": ["$.assignee.id"]},
    "github comment": {"created_at": ["$.created_at"], "author": ["$.user.id"]},
    "jira issue": {"status": ["$.status.name"], "assignee": ["$.assignee.emailAddress"]},
    "jira comment": {"created_at": ["$.created"], "visibility": ["$.jsdPublic"]},
    "redmine issue": {"status": ["$.status.name"], "priority": ["$.priority_id", "$.priority.name"],
                      "start_by": ["$.start_date"], "requester": ["$.author.id"],
                      "assignee": ["$.assigned_to.id"]},
    "redmine comment": {"created_at": ["$.created_on"], "visibility": ["$.private_notes"]},
    "salesforce opportunity": {"owner": ["$.OwnerId", "$.Owner.Email"]},
    "salesforce case": {"requester": ["$.ContactId", "$.Contact.Email"],
                        "assignee": ["$.Owner.Email"]},
    "salesforce task": {"assignee": ["$.Owner.Email"],
                        "requester": ["$.CreatedById", "$.CreatedBy.Email"]},
    "slack user": {"name": ["$.real_name"], "login": ["$.profile.display_name"]},
}  # fmt: skip
ALSO_MEANS: Mapping[str, Mapping[str, Mapping[Any, str]]] = {
    "jira issue": {
        "status": {"To Do": "open", "In Progress": "in_progress", "Done": "done",
                   "Blocked": "on_hold", "Approved": "done"},
        "priority": {"Lowest": "low"},
    },
    "redmine issue": {
        "status": {"New": "open", "In Progress": "in_progress", "Resolved": "done",
                   "Feedback": "on_hold", "Closed": "done", "Rejected": "cancelled"},
        "priority": {"Low": "low", "Normal": "normal", "High": "high", "Urgent": "urgent",
                     "3": "low", "4": "normal", "5": "high"},
    },
    "jira comment": {"visibility": {True: "public", False: "internal"}},
    "redmine comment": {"visibility": {True: "internal", False: "public"}},
}  # fmt: skip
"""What further values mean, where a draft may well read another path than the default."""


@dataclass
class Score:
    """What was proposed for one object, and how much of it is right."""

    name: str
    held_out: bool
    draft: Draft
    right: int = 0
    wrong: list[str] = field(default_factory=list)
    sure_right: int = 0
    sure_wrong: list[str] = field(default_factory=list)
    found: int = 0
    missed: list[str] = field(default_factory=list)
    values_right: int = 0
    values_wrong: list[str] = field(default_factory=list)
    values_missed: list[str] = field(default_factory=list)


def judge(
    name: str,
    draft: Draft,
    truth: Mapping[str, Sequence[str]],
    also: Mapping[str, Sequence[str]],
    values: Mapping[str, Mapping[Any, str]],
    *,
    held_out: bool,
) -> Score:
    """Hold a draft against the truth. Lines that are commented out do not count as proposed."""
    score = Score(name, held_out, draft)
    for line in draft.lines:
        spec = line.suggestion.field
        if not line.active:
            continue
        path = "=" if spec.value is not UNSET else spec.text.text if spec.text else ""
        path = path or (spec.sources[0].text if spec.sources else "")
        allowed = [*truth.get(spec.name, ()), *also.get(spec.name, ())]
        if path in allowed:
            score.right += 1
            score.sure_right += line.confidence >= CONFIDENT
            score.found += spec.name in truth
        else:
            said = f"{spec.name} from {path} ({line.confidence:.2f})"
            score.wrong.append(said)
            if line.confidence >= CONFIDENT:
                score.sure_wrong.append(said)
            continue
        meant = {value_key(vendor): ours for vendor, ours in values.get(spec.name, {}).items()}
        for pair in spec.values or ():
            right = meant.get(value_key(pair.vendor))
            if right == pair.canonical:
                score.values_right += 1
            else:
                score.values_wrong.append(f"{spec.name} {pair.vendor!r}: {pair.canonical}")
        guess = line.suggestion.guess
        for one in guess.unknown if guess else ():
            if value_key(one.vendor) in meant:
                score.values_missed.append(f"{spec.name} {one.vendor!r}")
    got = {line.suggestion.field.name for line in draft.lines if line.active}
    wrong = {said.split()[0] for said in score.wrong}
    score.missed = [name for name in truth if name not in got or name in wrong]
    return score


def held_out() -> list[Score]:
    """The objects that no connector here is for."""
    return [_judged(one) for one in OBJECTS]


def hard() -> list[Score]:
    """Awkward objects that nothing was tuned for."""
    return [_judged(one) for one in HARD]


def _judged(one: Object) -> Score:
    sample = Sample.of(one.name, one.records, one.fields)
    draft = draft_mapping(sample, connection=one.tool.split()[0], entity=one.entity)
    name = f"{one.tool} {one.name}"
    return judge(name, draft, one.truth, one.also, one.values, held_out=True)


def shipped(only: Iterable[str] = ()) -> Iterator[Score]:
    """The objects of the connectors' sandboxes that have a default mapping."""
    for name, cls in sorted(connector_classes().items()):
        files = sorted((ROOT / "connectors" / name / "mappings").glob("*.yaml"))
        if not files or (only and name not in only) or not issubclass(cls, Source):
            continue
        module, _, kind = cls.sandbox.partition(":")
        with getattr(import_module(module), kind)() as sandbox:
            sandbox.populate()
            connector = _connected(cls, sandbox)
            try:
                for file in files:
                    yield _hidden(name, connector, file)
            finally:
                connector.close()


def _connected(cls: type[Connector], sandbox: Any) -> Any:
    env = sandbox.env()

    def filled(value: Any) -> Any:
        if isinstance(value, str) and value.startswith("env:"):
            return env[value.removeprefix("env:")]
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        return [filled(item) for item in value] if isinstance(value, list) else value

    settings = {k: v for k, v in filled(sandbox.connection()).items() if k != "connector"}
    return cls("draft", cls.config.model_validate(settings))


def _hidden(connector: str, source: Any, file: Path) -> Score:
    spec, _ = load_mapping(str(file), file.read_text())
    if spec is None or spec.object is None or spec.entity is None:
        raise ValueError(f"{file} is no whole mapping")
    fields = source.discover(spec.object)
    records = [
        dict(record.data)
        for page in source.pull(spec.object, {}, [one.name for one in fields])
        for record in page.records
        if not record.deleted and record.object == spec.object
    ]
    sample = Sample.of(spec.object, records, fields)
    draft = draft_mapping(
        sample, connection="draft", connector=connector, entity=spec.entity, own_identity=True
    )
    name = f"{connector} {spec.object}"
    truth: dict[str, list[str]] = {}
    values: dict[str, dict[Any, str]] = {}
    for one in spec.fields.values():
        if one.name.startswith("custom."):
            continue
        composed = [one.text.text] if one.text else []
        constant = ["="] if one.value is not UNSET else []
        truth[one.name] = [*(source.text for source in one.sources), *composed, *constant]
        values[one.name] = {pair.vendor: pair.canonical for pair in one.values or ()}
    for key, further in ALSO_MEANS.get(name, {}).items():
        values[key] = {**values.get(key, {}), **further}
    return judge(name, draft, truth, ALSO_RIGHT.get(name, {}), values, held_out=False)


@dataclass(frozen=True)
class Total:
    """Shares over several objects, from 0 to 1."""

    precision: float
    sure_precision: float
    recall: float
    values: float
    values_recall: float


def total(scores: Sequence[Score]) -> Total:
    """All lines together: each counts the same."""
    right, wrong = sum(one.right for one in scores), sum(len(one.wrong) for one in scores)
    sure, unsure = sum(one.sure_right for one in scores), sum(len(one.sure_wrong) for one in scores)
    found, missed = sum(one.found for one in scores), sum(len(one.missed) for one in scores)
    good = sum(one.values_right for one in scores)
    bad = sum(len(one.values_wrong) for one in scores)
    return Total(
        right / max(1, right + wrong),
        sure / max(1, sure + unsure),
        found / max(1, found + missed),
        good / max(1, good + bad),
        good / max(1, good + sum(len(one.values_missed) for one in scores)),
    )


def main() -> int:
    """Print the table, and what is wrong or missing."""
    ours, others, awkward = [*shipped()], held_out(), hard()
    scores = [*ours, *others, *awkward]
    print(f"{'object':<32}{'lines':>6}{'right':>6}{'of the truth':>14}{'values':>9}")
    for one in scores:
        truth = one.found + len(one.missed)
        values = one.values_right + len(one.values_wrong)
        print(
            f"{one.name:<32}{one.right + len(one.wrong):>6}{one.right:>6}"
            f"{f'{one.found}/{truth}':>14}{f'{one.values_right}/{values}' if values else '-':>9}"
        )
        for said in one.wrong:
            print(f"    wrong: {said}")
        for said in one.missed:
            print(f"    missed: {said}")
        for said in one.values_wrong:
            print(f"    wrong value: {said}")
        for said in one.values_missed:
            print(f"    missed value: {said}")
    for title, which in (
        ("with a default mapping", ours),
        ("held out", others),
        ("held out and awkward", awkward),
        ("all", scores),
    ):
        sums = total(which)
        print(
            f"{title}: precision {sums.precision:.2f}, of lines from {CONFIDENT} on"
            f" {sums.sure_precision:.2f}; recall {sums.recall:.2f};"
            f" values: precision {sums.values:.2f}, recall {sums.values_recall:.2f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The process engine: what follows from what, first as a story, then for any order of steps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.process.advance import (
    ActivateStep,
    CaseState,
    CompleteCase,
    CompleteStep,
    Effect,
    FailStep,
    RaiseException,
    ReopenStep,
    ResolveException,
    SkipStep,
    StepState,
    TerminateCase,
    TerminateStep,
    advance,
    apply,
    on_decision,
    on_task_status,
)
from hub.process.definitions import ProcessDefinition, load_process
from mappings.canonical import (
    CaseStatus,
    ExceptionType,
    IllegalTransition,
    StepStatus,
    TaskStatus,
)

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)

CREDIT = """
process: credit
accountable: dana
steps:
  documents: {title: Documents, form: {type: object}}
  site: {title: Site visit}
  credit:
    type: decision
    title: Grant credit
    after: [documents]
    if: "case.data.amount > 50000.0"
    decider: lee
    options: [approved, rejected, changes_requested]
    outcomes: {rejected: {terminate: credit refused}, changes_requested: {reopen: documents}}
  contract: {title: Contract, after: [credit, site]}
  live: {type: milestone, title: Live, after: [contract]}
"""


def load(text: str) -> ProcessDefinition:
    definition, findings = load_process("p.yaml", text)
    assert definition is not None, [str(found) for found in findings]
    return definition


DEFINITION = load(CREDIT)
LARGE = {"case": {"data": {"amount": 60000.0}}}
SMALL = {"case": {"data": {"amount": 10.0}}}
UNCLEAR: dict[str, Any] = {"case": {"data": {}}}


def state(**steps: str) -> CaseState:
    return CaseState(tuple(StepState(key, 1, StepStatus(status)) for key, status in steps.items()))


def step(effects: list[Effect], before: CaseState) -> dict[str, str]:
    return {key: str(run.status) for key, run in apply(before, effects).latest(DEFINITION).items()}


def test_a_new_case_activates_every_step_that_follows_nothing() -> None:
    assert advance(CaseState(), DEFINITION, LARGE, NOW) == [
        ActivateStep("documents", 1),
        ActivateStep("site", 1),
    ]


def test_a_true_condition_activates_and_a_false_one_skips() -> None:
    ready = state(documents="completed", site="active")
    assert advance(ready, DEFINITION, LARGE, NOW) == [ActivateStep("credit", 1)]
    assert advance(ready, DEFINITION, SMALL, NOW) == [SkipStep("credit", 1)]


def test_steps_behind_a_skipped_one_go_on_in_the_same_call() -> None:
    ready = state(documents="completed", site="completed")
    assert advance(ready, DEFINITION, SMALL, NOW) == [
        SkipStep("credit", 1),
        ActivateStep("contract", 1),
    ]


def test_a_condition_without_an_answer_is_raised_once_and_the_step_waits() -> None:
    ready = state(documents="completed", site="completed")
    effects = advance(ready, DEFINITION, UNCLEAR, NOW)
    assert [type(effect) for effect in effects] == [RaiseException]
    raised = effects[0]
    assert isinstance(raised, RaiseException)
    assert (raised.type, raised.step) == (ExceptionType.VALIDATION, "credit")
    assert "p.yaml:11:9" in raised.detail
    assert "amount" in raised.detail
    waiting = apply(ready, effects)
    assert waiting.latest(DEFINITION)["credit"].status is StepStatus.AVAILABLE
    assert advance(waiting, DEFINITION, UNCLEAR, NOW) == []
    assert advance(waiting, DEFINITION, LARGE, NOW) == [ActivateStep("credit", 1)]


def test_a_milestone_completes_as_soon_as_it_is_active_and_the_case_with_it() -> None:
    ready = state(documents="completed", site="completed", credit="skipped", contract="completed")
    assert advance(ready, DEFINITION, SMALL, NOW) == [
        ActivateStep("live", 1),
        CompleteStep("live", 1),
        CompleteCase("completed"),
    ]


def test_a_failed_step_holds_everything_behind_it() -> None:
    failed = apply(
        state(documents="completed", site="active", credit="skipped"),
        [FailStep("site", 1, "no access")],
    )
    assert advance(failed, DEFINITION, SMALL, NOW) == []


@pytest.mark.parametrize("status", ["suspended", "completed", "terminated"])
def test_a_case_that_is_not_active_does_not_move(status: str) -> None:
    assert advance(CaseState(status=CaseStatus(status)), DEFINITION, LARGE, NOW) == []


def test_conditions_see_the_moment_that_was_passed_in() -> None:
    text = "process: p\naccountable: dana\nsteps:\n  a:\n    title: A\n    if: IF\n"
    late = load(text.replace("IF", "\"now > timestamp('2026-03-01T00:00:00Z')\""))
    assert advance(CaseState(), late, {}, NOW) == [ActivateStep("a", 1)]
    assert advance(CaseState(), late, {}, datetime(2026, 2, 1, tzinfo=UTC))[0] == SkipStep("a", 1)


# ----------------------------------------------------------------------------------- decisions


DECIDING = state(documents="completed", site="active", credit="active")


def test_an_option_without_an_outcome_goes_on() -> None:
    assert on_decision(DECIDING, DEFINITION, "credit", "approved") == [
        CompleteStep("credit", 1, "approved")
    ]


def test_terminate_ends_every_open_step_and_the_case() -> None:
    effects = on_decision(DECIDING, DEFINITION, "credit", "rejected")
    assert effects == [
        CompleteStep("credit", 1, "rejected"),
        TerminateStep("site", 1),
        TerminateStep("contract", 1),
        TerminateStep("live", 1),
        TerminateCase("credit refused"),
    ]
    ended = apply(DECIDING, effects)
    assert ended.status is CaseStatus.TERMINATED
    assert advance(ended, DEFINITION, LARGE, NOW) == []


def test_reopen_starts_a_new_run_of_the_step_and_of_everything_after_it() -> None:
    effects = on_decision(DECIDING, DEFINITION, "credit", "changes_requested")
    assert effects == [
        CompleteStep("credit", 1, "changes_requested"),
        ReopenStep("documents", 2),
        ReopenStep("credit", 2),
    ]
    again = apply(DECIDING, effects)
    assert advance(again, DEFINITION, LARGE, NOW) == [ActivateStep("documents", 2)]
    again = apply(again, [ActivateStep("documents", 2), CompleteStep("documents", 2)])
    assert advance(again, DEFINITION, LARGE, NOW) == [ActivateStep("credit", 2)]


def test_reopen_ends_what_already_runs_behind_the_step() -> None:
    text = CREDIT.replace("after: [credit, site]", "after: [documents]")
    definition = load(text)
    deciding = state(documents="completed", site="active", credit="active", contract="active")
    effects = on_decision(deciding, definition, "credit", "changes_requested")
    assert effects[1:] == [
        ReopenStep("documents", 2),
        ReopenStep("credit", 2),
        TerminateStep("contract", 1),
        ReopenStep("contract", 2),
    ]


def test_silence_never_decides() -> None:
    effects = on_decision(DECIDING, DEFINITION, "credit", "expired")
    assert [type(effect) for effect in effects] == [RaiseException]
    assert effects[0].type is ExceptionType.OVERDUE  # type: ignore[union-attr]
    assert step(effects, DECIDING)["credit"] == "active"
    assert on_decision(DECIDING, DEFINITION, "credit", "withdrawn") == []


@pytest.mark.parametrize(
    ("before", "key", "outcome", "complaint"),
    [
        (DECIDING, "credit", "maybe", "Options: approved, rejected, changes_requested"),
        (DECIDING, "site", "approved", "not a decision"),
        (DECIDING, "nothing", "approved", "not a decision"),
        (state(credit="completed"), "credit", "approved", "it is completed"),
        (CaseState(), "credit", "approved", "it is available"),
    ],
)
def test_a_decision_that_does_not_fit_is_refused(
    before: CaseState, key: str, outcome: str, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        on_decision(before, DEFINITION, key, outcome)


# --------------------------------------------------------------------------- tasks in the tools


@pytest.mark.parametrize(
    ("status", "key", "before", "after", "form_missing", "expected"),
    [
        ("active", "site", "open", "done", False, CompleteStep),
        ("active", "site", "in_progress", "done", False, CompleteStep),
        ("active", "site", "open", "in_progress", False, None),
        ("active", "site", "done", "done", False, None),
        ("active", "site", "cancelled", "open", False, None),
        ("active", "site", "open", "cancelled", False, RaiseException),
        ("active", "documents", "open", "done", True, RaiseException),
        ("active", "documents", "open", "done", False, CompleteStep),
        ("active", "credit", "open", "done", False, RaiseException),
        ("completed", "site", "done", "open", False, RaiseException),
        ("completed", "site", "done", "in_progress", False, RaiseException),
        ("completed", "site", "open", "done", False, ResolveException),
        ("completed", "site", "in_progress", "cancelled", False, ResolveException),
        ("terminated", "site", "open", "done", False, None),
        ("skipped", "site", "done", "open", False, None),
        ("available", "site", "open", "done", False, None),
    ],
)
def test_what_a_tasks_status_means_for_its_step(
    status: str, key: str, before: str, after: str, form_missing: bool, expected: type | None
) -> None:
    effects = on_task_status(
        state(**{key: status}),
        DEFINITION,
        key,
        TaskStatus(before),
        TaskStatus(after),
        form_missing,
    )
    assert [type(effect) for effect in effects] == ([expected] if expected else [])


def test_a_task_of_an_earlier_run_completes_nothing() -> None:
    second = apply(state(site="completed"), [ReopenStep("site", 2), ActivateStep("site", 2)])
    move = (TaskStatus.OPEN, TaskStatus.DONE, False)
    assert on_task_status(second, DEFINITION, "site", *move, run=1) == []
    assert on_task_status(second, DEFINITION, "site", *move, run=2) == [CompleteStep("site", 2)]


def test_a_remote_problem_does_not_mark_the_condition_as_unclear() -> None:
    flagged = apply(
        state(site="active"),
        on_task_status(
            state(site="active"),
            DEFINITION,
            "site",
            TaskStatus.OPEN,
            TaskStatus.CANCELLED,
            False,
        ),
    )
    assert not flagged.latest(DEFINITION)["site"].blocked


def test_effects_that_do_not_fit_the_state_are_refused() -> None:
    with pytest.raises(IllegalTransition):
        apply(state(site="completed"), [CompleteStep("site", 1), SkipStep("site", 1)])


# --------------------------------------------------------------------------------- any process


@st.composite
def processes(draw: st.DrawFn) -> tuple[ProcessDefinition, dict[str, bool | None]]:
    """A random order of steps, written in random order, some with a condition (None: unclear)."""
    count = draw(st.integers(1, 9))
    names = [f"s{index}" for index in range(count)]
    answers: dict[str, bool | None] = {}
    written = []
    for index, name in enumerate(names):
        after = draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        answer = draw(st.sampled_from([True, True, False, None]))
        answers[name] = answer
        kind = draw(st.sampled_from(["task", "task", "milestone", "decision"]))
        more = ", decider: x, options: [go, on]" if kind == "decision" else ""
        written.append(
            f"  {name}: {{type: {kind}, title: T, after: [{', '.join(after)}],"
            f' if: "case.data.{name}"{more}}}\n'
        )
    written = draw(st.permutations(written))
    return load(f"process: p\naccountable: x\nsteps:\n{''.join(written)}"), answers


@given(processes(), st.randoms(use_true_random=False))
def test_every_process_ends_and_nothing_overtakes_its_predecessors(
    process: tuple[ProcessDefinition, dict[str, bool | None]], random: Any
) -> None:
    definition, answers = process
    known = {key: answer for key, answer in answers.items() if answer is not None}
    missing = [key for key, answer in answers.items() if answer is None]
    case = CaseState()
    raised: list[str] = []
    for _ in range(200):
        effects = advance(case, definition, {"case": {"data": known}}, NOW)
        for effect in effects:
            case = apply(case, [effect])
            latest = case.latest(definition)
            if isinstance(effect, ActivateStep):
                passed = {latest[one].status for one in definition.steps[effect.key].after}
                assert passed <= {StepStatus.COMPLETED, StepStatus.SKIPPED}
                assert known[effect.key]
            if isinstance(effect, SkipStep):
                assert not known[effect.key]
            if isinstance(effect, RaiseException):
                raised.append(effect.step)
        again = advance(case, definition, {"case": {"data": known}}, NOW)
        assert again == [], "advance must run to the end"
        if case.status is CaseStatus.COMPLETED:
            break
        active = [r for r in case.latest(definition).values() if r.status is StepStatus.ACTIVE]
        if active and (not missing or random.random() < 0.7):
            run = random.choice(active)
            if definition.steps[run.key].type == "decision":
                case = apply(case, on_decision(case, definition, run.key, "go"))
            else:
                move = (TaskStatus.OPEN, TaskStatus.DONE, False)
                case = apply(case, on_task_status(case, definition, run.key, *move))
        elif missing:
            known[missing.pop()] = random.random() < 0.5
    assert case.status is CaseStatus.COMPLETED
    final = {run.status for run in case.latest(definition).values()}
    assert final <= {StepStatus.COMPLETED, StepStatus.SKIPPED}
    assert len(raised) == len(set(raised))

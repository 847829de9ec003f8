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
    FanOut,
    HearEvent,
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
    on_heard,
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


# ------------------------------------------------------------------- fan-out, waits, processes

FAN = load(
    "process: p\naccountable: dana\nsteps:\n"
    '  a: {title: A, each: "${case.data.list}", if: "each > 1.0 && each_index < 9"}\n'
    "  w: {title: W, type: wait, event: item.*, after: [a]}\n"
    "  s: {title: S, type: process, process: q, after: [w]}\n"
    "  d: {title: D, type: decision, decider: x, options: [on, back], after: [s],"
    " outcomes: {back: {reopen: a}}}\n"
)


def seen(*elements: Any) -> dict[str, Any]:
    return {"case": {"data": {"list": list(elements)}}}


def test_a_list_gives_a_run_per_element_each_with_its_own_condition() -> None:
    assert advance(CaseState(), FAN, seen(2, 1, 3), NOW) == [
        FanOut("a", 1, (2, 1, 3)),
        ActivateStep("a", 1),
        SkipStep("a", 2),
        ActivateStep("a", 3),
    ]


@pytest.mark.parametrize("wrong", ["text", {"a": 1}, None, list(range(501))])
def test_what_is_no_list_of_up_to_500_is_raised_once_and_the_step_waits(wrong: Any) -> None:
    sees = {"case": {"data": {"list": wrong}}}
    effects = advance(CaseState(), FAN, sees, NOW)
    assert [type(effect) for effect in effects] == [RaiseException]
    assert advance(apply(CaseState(), effects), FAN, sees, NOW) == []


def test_all_runs_of_the_newest_round_must_pass_and_a_reopened_list_is_looked_at_anew() -> None:
    case = apply(CaseState(), advance(CaseState(), FAN, seen(2, 3), NOW))
    case = apply(case, [CompleteStep("a", 1)])
    assert advance(case, FAN, seen(2, 3), NOW) == []
    case = apply(case, [CompleteStep("a", 2)])
    assert advance(case, FAN, seen(), NOW) == [ActivateStep("w", 1)]
    case = apply(case, [ActivateStep("w", 1), *on_heard(case, FAN, "w", 1)])
    for _ in range(2):
        case = apply(case, advance(case, FAN, seen(), NOW))
        if case.latest(FAN)["s"].status is StepStatus.ACTIVE:
            case = apply(case, on_heard(case, FAN, "s", 1, "well"))
    case = apply(case, on_decision(case, FAN, "d", "back"))
    assert case.newest(FAN)["s"][0].round == 2
    effects = advance(case, FAN, seen(7), NOW)
    assert effects == [FanOut("a", 3, (7,)), ActivateStep("a", 3)]
    assert on_task_status(case, FAN, "a", TaskStatus.OPEN, TaskStatus.DONE, False, run=1) == []


def test_what_is_heard_before_its_turn_completes_the_step_then() -> None:
    case = apply(CaseState(), on_heard(CaseState(), FAN, "w", 1))
    assert on_heard(case, FAN, "w", 1) == []
    assert advance(case, FAN, seen(), NOW) == [
        SkipStep("a", 1),
        ActivateStep("w", 1),
        CompleteStep("w", 1),
        ActivateStep("s", 1),
    ]


def test_a_suspended_case_hears_but_does_not_move() -> None:
    case = CaseState(status=CaseStatus.SUSPENDED)
    assert on_heard(case, FAN, "w", 1) == [HearEvent("w", 1)]
    with pytest.raises(ValueError, match="the case is suspended"):
        on_decision(case, FAN, "d", "on")


@st.composite
def full_processes(draw: st.DrawFn) -> ProcessDefinition:
    """Any order of steps of every kind, with conditions, lists, reopening and ending."""
    names = [f"s{index}" for index in range(draw(st.integers(1, 7)))]
    written = []
    for index, name in enumerate(names):
        before = names[:index]
        after = draw(st.lists(st.sampled_from(before), unique=True)) if before else []
        kind = draw(st.sampled_from(["task", "wait", "process", "milestone", "decision"]))
        more = {"wait": ", event: item.*", "process": ", process: q"}.get(kind, "")
        if kind == "decision":
            more = ", decider: x, options: [go, back, end]"
            outcomes = "end: {terminate: over}"
            if after:
                outcomes += f", back: {{reopen: {after[0]}}}"
            more += f", outcomes: {{{outcomes}}}"
        if draw(st.booleans()):
            more += f', each: "${{case.data.list_{name}}}"'
        if kind != "wait" and draw(st.booleans()):
            more += f', if: "case.data.{name}"'
        written.append(f"  {name}: {{type: {kind}, title: T, after: [{', '.join(after)}]{more}}}\n")
    return load(f"process: p\naccountable: x\nsteps:\n{''.join(written)}")


def live(case: CaseState, definition: ProcessDefinition) -> list[StepState]:
    return [
        run
        for runs in case.newest(definition).values()
        for run in runs
        if run.status is StepStatus.ACTIVE
    ]


def check(case: CaseState, definition: ProcessDefinition) -> None:
    """What holds at any time: one live run per element, only of the newest round, and nothing open
    in a case that is over.
    """
    running = [run for run in case.steps if run.status is StepStatus.ACTIVE]
    assert len({(run.key, run.index) for run in running}) == len(running)
    assert len(running) == len(live(case, definition))
    numbers = [(run.key, run.run) for run in case.steps]
    assert len(set(numbers)) == len(numbers)
    if case.status is not CaseStatus.ACTIVE:
        assert not running
    if case.status is CaseStatus.COMPLETED:
        runs = [run for found in case.newest(definition).values() for run in found]
        assert {run.status for run in runs} <= {StepStatus.COMPLETED, StepStatus.SKIPPED}


@given(full_processes(), st.randoms(use_true_random=False))
def test_any_process_ends_or_waits_for_somebody_whatever_happens(
    definition: ProcessDefinition, random: Any
) -> None:
    data: dict[str, Any] = {}
    unclear = [key for name in definition.steps for key in (name, f"list_{name}")]
    case, backs = CaseState(), 0
    for _ in range(400):
        effects = advance(case, definition, {"case": {"data": data}}, NOW)
        case = apply(case, effects)
        assert advance(case, definition, {"case": {"data": data}}, NOW) == []
        check(case, definition)
        if case.status is not CaseStatus.ACTIVE:
            break
        waiting = live(case, definition)
        blocked = [run for run in case.steps if run.blocked]
        assert waiting or blocked, "nobody owes anything, and nobody is told"
        if unclear and (not waiting or random.random() < 0.3):
            key = unclear.pop()
            data[key] = (
                [random.random()] * random.randrange(4)
                if key.startswith("list")
                else random.random() < 0.7
            )
            continue
        if random.random() < 0.1:  # an event for a step whose turn has not come
            key = random.choice([*definition.steps])
            if definition.steps[key].type in ("wait", "process"):
                early = case.latest(definition)[key]
                case = apply(case, on_heard(case, definition, key, early.run))
            check(case, definition)
        waiting = live(case, definition)
        if not waiting:
            continue
        run = random.choice(waiting)
        kind = definition.steps[run.key].type
        if kind == "decision":
            backs += 1
            chosen = random.choice(["go", "back", "end"] if backs < 5 else ["go"])
            case = apply(case, on_decision(case, definition, run.key, chosen, run.run))
        elif kind in ("wait", "process"):
            case = apply(case, on_heard(case, definition, run.key, run.run))
        else:
            move = (TaskStatus.OPEN, TaskStatus.DONE, False)
            case = apply(case, on_task_status(case, definition, run.key, *move, run=run.run))
        check(case, definition)
    assert case.status is not CaseStatus.ACTIVE

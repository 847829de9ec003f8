"""Telling a broker or other processes costs whoever has just committed nothing."""

from __future__ import annotations

import threading

import structlog.testing

from hub.errands import Errands


def test_asking_waits_for_nobody_and_asks_once() -> None:
    go, ran = threading.Event(), []

    def run(errand: str) -> None:
        assert go.wait(30)
        ran.append(errand)

    errands = Errands("telling", run)
    errands.ask("first")
    for _ in range(3):
        errands.ask("second")
    assert not ran
    assert not errands.settle(0)
    go.set()
    assert errands.settle(30)
    # "first" may have begun before "second" was asked for; neither ran twice
    assert ran == ["first", "second"]
    errands.close()


def test_trouble_is_told_once_until_it_is_over() -> None:
    fails = True

    def run(errand: int) -> None:
        if fails:
            raise OSError("OOM command not allowed\nwith much detail")

    errands = Errands("telling", run)
    with structlog.testing.capture_logs() as logged:
        for at in range(3):
            errands.ask(at)
            assert errands.settle(30)
        fails = False
        errands.ask(4)
        assert errands.settle(30)
    assert [(one["log_level"], one["event"]) for one in logged] == [
        ("warning", "telling fails"),
        ("info", "telling works again"),
    ]
    assert logged[0]["error"] == "OSError: OOM command not allowed"
    errands.close()


def test_what_waits_behind_a_failure_is_dropped() -> None:
    begun, go, tried = threading.Event(), threading.Event(), []

    def run(errand: int) -> None:
        tried.append(errand)
        begun.set()
        assert go.wait(30)
        raise TimeoutError

    errands = Errands("telling", run)
    errands.ask(0)
    assert begun.wait(30)
    errands.ask(1)
    errands.ask(2)
    go.set()
    assert errands.settle(30)
    assert tried == [0]
    errands.close()


def test_what_waits_is_done_at_the_end_and_nothing_after_it() -> None:
    ran: list[int] = []
    errands = Errands("telling", ran.append)
    errands.ask(1)
    errands.close()
    errands.ask(2)
    assert ran == [1]
    assert errands.settle(0)

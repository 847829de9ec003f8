"""Figures: of processes for people, and of the hub itself for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hub.api.auth import Anyone, HubDep
from hub.api.errors import Problem
from hub.api.stream import Stream
from hub.flow.progress import backfill
from hub.hub import Hub
from hub.process.figures import ProcessFigures, measure
from hub.store import circuits, cursors, figures, running

router = APIRouter(prefix="/metrics", tags=["metrics"])
scrape = APIRouter(tags=["operation"])


@router.get("/process")
def process_figures(hub: HubDep, caller: Anyone, process: str | None = None) -> ProcessFigures:
    """How a process fares, or all of them: how many, how long (seconds), how reliably, who held
    the work, what was done again, how long handoffs waited, what went wrong, what people made of
    proposals; per step too.
    """
    with hub.database.read() as tx:
        found = measure(tx, process, hub.clock())
    if process and not found.count and process not in hub.live.current().workspace.processes:
        raise Problem(404, "process_unknown", f"There is no process '{process}'.")
    return found


class HubCollector(Collector):
    """Reads the hub's figures from the database whenever somebody scrapes."""

    def __init__(self, hub: Hub, stream: Stream) -> None:
        self.hub = hub
        self.stream = stream

    def collect(self) -> Iterator[Metric]:
        hub = self.hub
        now = hub.clock()
        with hub.database.read() as tx:
            waiting = figures.waiting(tx)
            aside = figures.quarantined(tx)
            deliveries = figures.deliveries_by_status(tx)
            pushes = figures.pushes_by_status(tx)
            exceptions = figures.open_exceptions(tx)
            cases = figures.running_cases(tx)
            states, called = running.connection_states(tx), circuits.circuits(tx)
            states_of_pulls = [dict(row) for row in cursors.all_cursors(tx)]
            happened = figures.event_count(tx)
        depth = GaugeMetricFamily(
            "hub_queue_depth", "Rows that wait.", labels=["queue", "connection"]
        )
        age = GaugeMetricFamily(
            "hub_queue_oldest_seconds",
            "Age of the oldest row that waits.",
            labels=["queue", "connection"],
        )
        for one in waiting:
            depth.add_metric([one.queue, one.connection], one.count)
            if one.oldest is not None:
                seconds = max(0.0, (now - one.oldest).total_seconds())
                age.add_metric([one.queue, one.connection], seconds)
        yield depth
        yield age
        quarantine = GaugeMetricFamily(
            "hub_queue_set_aside", "Rows that a person must look at.", labels=["queue"]
        )
        for queue, count in aside.items():
            quarantine.add_metric([queue], count)
        yield quarantine
        yield _counted("hub_deliveries", "Stored deliveries.", ["connection", "status"], deliveries)
        yield _counted("hub_pushes", "Intended writes.", ["connection", "status"], pushes)
        yield _counted("hub_exceptions_open", "Open exceptions.", ["type", "severity"], exceptions)
        yield _counted("hub_cases_running", "Running cases.", ["process", "health"], cases)
        up = GaugeMetricFamily(
            "hub_connection_up", "1: active and answering, 0: not.", labels=["connection"]
        )
        failures = GaugeMetricFamily(
            "hub_connection_failures", "Failures in a row.", labels=["connection"]
        )
        for name, state in sorted(states.items()):
            fine = state["status"] == "active" and not state["failures"]
            up.add_metric([name], float(fine))
            failures.add_metric([name], state["failures"])
        yield up
        yield failures
        opened = GaugeMetricFamily(
            "hub_connection_circuit_open",
            "1: not called, as it failed too often in a row; 0.5: on trial; 0: called as usual.",
            labels=["connection"],
        )
        trips = GaugeMetricFamily(
            "hub_connection_trips", "Times in a row its circuit opened.", labels=["connection"]
        )
        limited = GaugeMetricFamily(
            "hub_connection_limited_seconds",
            "Seconds for which the tool still wants to be left alone.",
            labels=["connection"],
        )
        for name, circuit in sorted(called.items()):
            value = {"closed": 0.0, "half open": 0.5, "open": 1.0}[circuit.state]
            opened.add_metric([name], value)
            trips.add_metric([name], circuit.trips)
            until = circuit.limited_until
            left = (until - now).total_seconds() if until else 0.0
            limited.add_metric([name], max(0.0, left))
        yield opened
        yield trips
        yield limited
        pulled = GaugeMetricFamily(
            "hub_pull_age_seconds",
            "Seconds since an object was last read to its end.",
            labels=["connection", "object"],
        )
        for row in states_of_pulls:
            if row["pulled_at"]:
                seconds = max(0.0, (now - row["pulled_at"]).total_seconds())
                pulled.add_metric([row["connection"], row["object"]], seconds)
        yield pulled
        yield from _backfills(states_of_pulls, now)
        yield CounterMetricFamily("hub_events", "Events ever stored.", value=happened)
        yield GaugeMetricFamily(
            "hub_streams_open", "Live streams of this process.", value=self.stream.watching
        )


def _backfills(rows: Sequence[Mapping[str, Any]], now: datetime) -> Iterator[GaugeMetricFamily]:
    """How far every pull of everything is that is under way; nothing where none is."""
    labels = ["connection", "object"]
    seen = GaugeMetricFamily(
        "hub_backfill_seen", "Records of a pull of everything so far.", labels=labels
    )
    total = GaugeMetricFamily(
        "hub_backfill_total", "Records there are in all, where the tool tells.", labels=labels
    )
    left = GaugeMetricFamily(
        "hub_backfill_left_seconds", "Until it is over, as estimated.", labels=labels
    )
    for row in rows:
        if (one := backfill(row, now)) is not None:
            place = [row["connection"], row["object"]]
            seen.add_metric(place, one.seen)
            if one.total is not None:
                total.add_metric(place, one.total)
            if one.ends_at is not None:
                left.add_metric(place, (one.ends_at - now).total_seconds())
    yield from (seen, total, left)


def _counted(name: str, text: str, labels: list[str], rows: figures.Counted) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for *values, count in rows:
        family.add_metric([str(value) for value in values], count)
    return family


def registry_of(hub: Hub, stream: Stream) -> CollectorRegistry:
    """A registry of its own, so that several hubs in one process do not collide."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(HubCollector(hub, stream))
    return registry


@scrape.get("/metrics", response_class=Response)
def prometheus(request: Request) -> Response:
    """The hub's own figures, in the text format of Prometheus."""
    registry: CollectorRegistry = request.app.state.registry
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

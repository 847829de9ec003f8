"""A pull of everything that is under way, as Prometheus reads it."""

from __future__ import annotations

import re
from datetime import timedelta

from hub.store import cursors
from hub.store import tables as t
from tests.hub.api.conftest import Api


def test_metrics_tell_how_far_a_pull_of_everything_is(api: Api) -> None:
    assert "hub_backfill_seen{" not in api.call("GET", "/metrics", "operator").text
    with api.hub.database.write() as tx:
        held = cursors.claim_pull(tx, "tracker", "row", timedelta(seconds=90), force=True)
        assert held is not None
        since = api.hub.clock() - timedelta(minutes=10)
        cursors.begin_everything(tx, "tracker", "row", held.fence, since)
        tx.execute(t.cursors.update().values(full_seen=2500, total=10000))
    text = api.call("GET", "/metrics", "operator").text
    found = dict(re.findall(r"^(hub_backfill_\w+)\{[^}]*\} (\S+)$", text, re.MULTILINE))
    assert float(found["hub_backfill_seen"]) == 2500
    assert float(found["hub_backfill_total"]) == 10000
    assert 1700 < float(found["hub_backfill_left_seconds"]) < 1900
    assert 'connection="tracker",object="row"' in text.replace(
        'object="row",connection="tracker"', ""
    )

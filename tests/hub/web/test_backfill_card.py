"""A pull of everything that is under way, on the card of its connection."""

from __future__ import annotations

from datetime import timedelta

from hub.store import cursors
from hub.store import tables as t
from tests.hub.web.conftest import Browser
from tests.hub.web.reading import Page
from tests.hub.web.seed import Seeded


def test_the_card_of_a_connection_says_how_far_a_pull_of_everything_is(
    seeded: Seeded, browser: Browser
) -> None:
    client = browser("lee")
    assert "is being pulled" not in Page(client.get("/connections")).text
    with seeded.hub.database.write() as tx:
        held = cursors.claim_pull(tx, "github", "issue", timedelta(seconds=90), force=True)
        assert held is not None
        since = seeded.hub.clock() - timedelta(minutes=10)
        cursors.begin_everything(tx, "github", "issue", held.fence, since)
        tx.execute(
            t.cursors.update()
            .where(t.cursors.c.connection == "github", t.cursors.c.object == "issue")
            .values(full_seen=2500, total=10000)
        )
    page = client.get("/connections")
    said = Page(page).text
    assert "Everything of issue is being pulled" in said
    assert "2,500 of 10,000 records since" in said
    assert "about 30 min left" in said
    assert 'max="100" value="25.0"' in page.text

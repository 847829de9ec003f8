"""Deliveries and what was refused, for operators."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from hub.flow import connections as flow
from hub.store import delivered, inbox, notices
from hub.store.delivered import Narrow
from tests.hub.store.test_notices import notice
from tests.hub.web.conftest import Browser
from tests.hub.web.reading import Page
from tests.hub.web.seed import Seeded
from webhooks.inbox import Incoming


def connection_of(seeded: Seeded) -> str:
    return next(iter(seeded.hub.live.current().workspace.connections))


def arrived(seeded: Seeded, body: bytes = b'{"n": 1.50, "t": "<script>x</script>"}') -> str:
    incoming = Incoming(
        connection=connection_of(seeded),
        delivery_id=hashlib.sha256(body).hexdigest()[:12],
        received_at=seeded.clock.now,
        method="POST",
        url="http://hub.test/webhooks/x",
        headers={"x-acme-event": "ticket.created"},
        body=body,
        body_hash=hashlib.sha256(body).hexdigest(),
        verdict="genuine",
        capture=False,
    )
    with seeded.hub.database.write() as tx:
        (stored,) = inbox.store(tx, [incoming])
    return stored.id


def test_deliveries_are_listed_and_narrowed(seeded: Seeded, browser: Browser) -> None:
    id = arrived(seeded)
    client = browser("lee")
    page = Page(client.get("/deliveries"))
    assert "ticket.created" in page.text
    assert f"/deliveries/{id}" in str(page.tags)
    assert "No delivery fits" in Page(client.get("/deliveries?status=quarantined")).text
    assert "No delivery fits" in Page(client.get("/deliveries?q=nonsense")).text
    assert "ticket.created" in Page(client.get(f"/deliveries?q={id[:12]}")).text


def test_the_list_goes_on_where_it_ends(seeded: Seeded, browser: Browser) -> None:
    made = [arrived(seeded, b"%d" % number) for number in range(102)]
    client = browser("lee")
    links = [tag[1].get("href", "") for tag in Page(client.get("/deliveries")).tags]
    (older,) = [link for link in links if "before=" in link]
    page = str(Page(client.get(older)).tags)
    assert f"/deliveries/{made[1]}" in page
    assert f"/deliveries/{made[2]}" not in page


def test_a_delivery_shows_everything_and_runs_nothing(seeded: Seeded, browser: Browser) -> None:
    page = Page(browser("lee").get(f"/deliveries/{arrived(seeded)}"))
    assert '"n": 1.50, "t": "<script>x</script>"' in page.text
    assert "x-acme-event: ticket.created" in page.text
    scripts = [given for tag, given in page.tags if tag == "script"]
    assert all(given.get("src", "").startswith("/static/") for given in scripts)


def test_an_operator_processes_it_again(seeded: Seeded, browser: Browser) -> None:
    id = arrived(seeded)
    client = browser("lee", "operator")
    form = Page(client.get(f"/deliveries/{id}")).form(f"{id}/replay")
    answer = client.post(form.action, data=form.values)
    assert answer.status_code == 303
    shown = Page(client.get(answer.headers["location"]))
    assert "processed again" in shown.text
    assert f"/deliveries/{id}" in str(shown.tags)
    with seeded.hub.database.read() as tx:
        copy, first = delivered.search(tx, Narrow(), limit=2)
    assert (copy["replay_of"], first["id"]) == (id, id)
    assert client.post(form.action, data={"csrf": "another"}).status_code == 403


def test_members_see_no_bodies(seeded: Seeded, browser: Browser) -> None:
    id = arrived(seeded)
    client = browser("dana", "member")
    for path in ("/deliveries", f"/deliveries/{id}"):
        assert client.get(path).status_code == 403
    assert "/deliveries" not in str(Page(client.get("/connections")).tags)


def test_what_is_not_there_is_said_kindly(seeded: Seeded, browser: Browser) -> None:
    assert browser("lee").get("/deliveries/dlv_nothing").status_code == 404


def test_refusals_stand_on_both_pages_with_what_to_do(seeded: Seeded, browser: Browser) -> None:
    name = connection_of(seeded)
    counted = notices.Count("", "refused", "connection_unknown", 3, *[seeded.clock.now] * 2)
    mine = notices.Count(name, "refused", "signature_invalid", 1, *[seeded.clock.now] * 2)
    with seeded.hub.database.write() as tx:
        notices.keep(tx, [notice(name)], [counted, mine])
    client = browser("lee")
    page = Page(client.get("/deliveries")).text
    assert "The signature does not match the body." in page
    assert f"hub sign {name} FILE" in page
    assert "3 requests to addresses of no connection" in page
    assert "A delivery was refused" in Page(client.get("/connections")).text


def test_capture_is_shown_on_every_page(seeded: Seeded, browser: Browser) -> None:
    name = connection_of(seeded)
    with seeded.hub.unit() as unit:
        flow.capture(unit, name, timedelta(hours=1))
    client = browser("lee")
    for path in ("/", "/tasks", "/connections", "/deliveries"):
        text = Page(client.get(path)).text
        assert f"Deliveries of {name} are captured" in " ".join(text.split())

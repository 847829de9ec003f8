"""The same pages over PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from hub import identity
from tests.hub.web.reading import Page
from tests.hub.web.seed import fill, open_seeded
from tests.servers import fresh_database, postgres

pytestmark = pytest.mark.scaled


def test_every_page_and_every_answer_works_over_postgresql(tmp_path: Path) -> None:
    with postgres() as server, fresh_database(server) as url:
        seeded = fill(open_seeded(tmp_path, database_url=url))
        link = identity.sign_in_link(seeded.hub, "", "lee")
        session = identity.sign_in(seeded.hub, link.rpartition("/")[2])
        with TestClient(seeded.app(), cookies={"hub_session": session or ""}) as client:
            for path in ("/", "/?status=all&waiting=external&q=o", "/tasks?overdue=1&mine=1",
                         "/exceptions", "/connections"):  # fmt: skip
                assert client.get(path).status_code == 200, path
            assert "5 running 1 overdue 1 blocked" in Page(client.get("/")).text
            page = f"/cases/{seeded.cases['big']}"
            form = Page(client.get(page)).form("/decisions/")
            client.post(form.action, data={**form.values, "outcome": "approved"})
            assert "Approved by Lee Kim" in Page(client.get(page)).text
            secret, code = seeded.invitation("supplier", "papers")
            answer = client.post(f"/p/{secret}", data={"code": code, "answer": "done"})
            assert answer.status_code == 200
        assert seeded.case("supplier")["status"] == "completed"
        seeded.hub.database.close()

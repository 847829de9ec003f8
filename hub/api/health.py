"""Whether this process lives, and whether it can work: for whoever supervises it."""

from __future__ import annotations

import sqlalchemy as sa
from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from hub.api.auth import HubDep
from hub.api.errors import Problem
from hub.live import NoWorkspace

router = APIRouter(tags=["operation"])


class Healthy(BaseModel):
    """This process answers."""

    status: str = "ok"


class Ready(BaseModel):
    """The database answers and a workspace is in force."""

    status: str = "ready"
    revision: int


@router.get("/healthz")
async def healthz() -> Healthy:
    """Whether this process lives."""
    return Healthy()


@router.get("/readyz")
def readyz(hub: HubDep) -> Ready:
    """Whether this process can work; 503 `not_ready` says what is missing."""
    try:
        with hub.database.read() as tx:
            tx.execute(sa.select(1))
        return Ready(revision=hub.live.current().revision)
    except NoWorkspace as error:
        reason = str(error)
    except SQLAlchemyError:
        reason = "The database does not answer."
    raise Problem(503, "not_ready", reason, headers={"Retry-After": "2"})

"""The page of somebody outside: what is asked of them, a form, and the code from the mail. No
account, and nothing of the case beside their own steps of it.

Seeing changes nothing: scanners and previews open links. Answering is a POST with an explicit
choice and the code that only the mail carries.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.engine import Connection, RowMapping

from hub.flow import change
from hub.participants import forms, links, standing
from hub.process import answers, evidence
from hub.process.answers import Refused
from hub.store import access, cases, work
from hub.unit import Unit, person_actor
from hub.web.site import Site, Stop, Typed, When, first, typed
from hub.web.words import label

UNKNOWN = partial(
    Stop,
    404,
    "This link leads nowhere",
    "Perhaps it was cut off in your mail program. Please copy the whole address from the mail.",
)
EXPIRED = partial(
    Stop,
    410,
    "This link no longer works",
    "It is too old, or a wrong code was entered too often. Please answer the mail instead, or ask"
    " whoever wrote to you for a new link.",
)
ANSWERED = partial(
    Stop,
    409,
    "This was already answered",
    "Thank you. Nothing is open here any more. If something was wrong with the answer, please reply"
    " to the mail.",
)
CHANGED = "Something that this rests on has changed since you opened the page. Choose again."
WRONG_CODE = "This is not the code from the mail. It has six digits and stands below the link."


@dataclass(frozen=True, slots=True)
class Asked:
    """What a link asks for, and of whom."""

    token: RowMapping
    step: Mapping[str, Any]
    party: Mapping[str, Any]
    case_title: str
    accountable: str
    due: When
    decision: Mapping[str, Any] | None = None
    evidence: str = ""
    """The hash of what the decision rests on now."""
    own: list[tuple[standing.OwnStep, When]] = field(default_factory=list)
    """Their own steps of the case, this one among them, each with the moment that matters: when it
    was done, or else by when it is wanted."""

    @property
    def choices(self) -> list[tuple[str, str]]:
        """What can be answered, and in which words; none of them is the usual one."""
        if self.decision is not None:
            return [(one, label(one)) for one in self.decision["options"]]
        return [("done", "It is done"), ("not_yet", "Not yet, something is missing")]


def add_participant(router: APIRouter, site: Site) -> None:
    """Routes of participants' links."""
    hub = site.hub

    @router.api_route("/p/{secret}", methods=["GET", "HEAD"])
    def show(secret: str) -> Response:
        with hub.database.read() as tx:
            asked = _asked(site, tx, secret)
        return _page(site, asked)

    @router.post("/p/{secret}")
    def take(request: Request, secret: str, sent: Annotated[Typed, Depends(typed)]) -> Response:
        site.refuse_foreign(request)
        with hub.database.read() as tx:
            asked = _asked(site, tx, secret)
        if not first(sent, "code"):
            return _page(site, asked, sent, {"@code": WRONG_CODE})
        with hub.database.write() as tx:
            right = access.try_code(tx, asked.token, first(sent, "code"))
        if not right:
            return _page(site, asked, sent, {"@code": WRONG_CODE})
        form = asked.step["form"]
        choice, comment = first(sent, "answer"), first(sent, "comment")
        if not form and choice not in dict(asked.choices):
            return _page(site, asked, sent, {"@answer": "Please choose one of these."})
        if asked.decision is not None:
            return _decide(site, asked, sent, choice, comment)
        if choice == "not_yet" and not comment:
            return _page(site, asked, sent, {"@comment": "Please say what is missing."})
        finished = bool(form) or choice == "done"
        given: dict[str, Any] = forms.answers(form, sent) if form else {"done": True}
        try:
            with hub.unit() as unit:
                if comment:
                    _comment(unit, asked, comment)
                if finished:
                    if comment and not form:
                        given["comment"] = comment
                    answers.submit(unit, asked.step["id"], given, asked.party, channel="link")
                    access.use_once(unit.tx, asked.token["id"], unit.now)
        except Refused as refused:
            if refused.code == "form_invalid":
                return _page(site, asked, sent, refused.errors)
            if refused.code == "already_answered":
                raise ANSWERED() from refused
            raise Stop(refused.status, "This could not be taken", str(refused)) from refused
        except LookupError as error:
            raise EXPIRED() from error
        return site.plain("answered.html", asked=asked, finished=finished)


def _decide(site: Site, asked: Asked, sent: Typed, choice: str, comment: str) -> Response:
    """Take a decision on what the page showed; if that has changed since, it is shown anew."""
    assert asked.decision is not None  # noqa: S101 - the caller looked
    try:
        with site.hub.unit() as unit:
            answers.decide(
                unit,
                asked.decision["id"],
                choice,
                asked.party,
                evidence_hash=first(sent, "evidence"),
                comment=comment or None,
                channel="link",
            )
            access.use_once(unit.tx, asked.token["id"], unit.now)
    except Refused as refused:
        if refused.code == "evidence_changed":
            return _page(site, asked, sent, {"@answer": CHANGED})
        if refused.code == "already_decided":
            raise ANSWERED() from refused
        raise Stop(refused.status, "This could not be taken", str(refused)) from refused
    return site.plain("answered.html", asked=asked, finished=True)


def _asked(site: Site, tx: Connection, secret: str) -> Asked:
    """What a link is good for. Stops if that is nothing, or nothing any more."""
    token = access.token(tx, secret, "participant", site.now)
    if token is None:
        id = secret.partition(".")[0]
        made = links.secret_of(site.hub.settings.secret_key, id)
        genuine = hmac.compare_digest(made.encode(), secret.encode(errors="replace"))
        raise EXPIRED() if genuine else UNKNOWN()
    step = cases.step(tx, token["subject"] or "")
    case = cases.load(tx, [step["case_id"]]).get(step["case_id"]) if step else None
    parties = work.load(tx, "party", {token["party"] or "", step["accountable"] if step else ""})
    party = parties.get(token["party"] or "")
    if step is None or case is None or party is None:
        raise EXPIRED()
    if step["status"] != "active" or case["status"] != "active":
        raise ANSWERED()
    accountable = parties.get(step["accountable"])
    decision = cases.decision(tx, step["decision"]) if step["decision"] else None
    if decision is not None and decision["outcome"] not in (None, "expired"):
        raise ANSWERED()
    own = standing.own_steps(cases.steps_of(tx, [case["id"]])[case["id"]], party["id"])
    return Asked(
        token=token,
        step=step,
        party=party,
        case_title=case["title"],
        accountable=accountable["name"] if accountable else "",
        due=site.due(step["due_by"]),
        decision=decision,
        evidence=cases.evidence_hash(evidence.gather(tx, case)) if decision else "",
        own=[
            (one, site.past(one.completed_at) if one.completed_at else site.due(one.due_by))
            for one in own
        ],
    )


def _page(
    site: Site, asked: Asked, sent: Typed | None = None, errors: Mapping[str, str] | None = None
) -> Response:
    # "@code" and the like are about the page's own inputs
    form, errors = asked.step["form"], errors or {}
    fields = forms.fields(form, sent, errors)
    placed = {".".join(field.path) for field in fields if field.error}
    rest = [
        text
        for place, text in errors.items()
        if place not in placed
        and not place.startswith("@")
        and not any(place.startswith(f"{name}.") for name in placed)
    ]
    snapshot = site.snapshot()
    kept: Any = {name: first(sent or {}, name) for name in ("code", "answer", "comment")}
    return site.plain(
        "participant.html",
        status=422 if errors else 200,
        asked=asked,
        fields=fields,
        errors=errors,
        rest=rest,
        kept=kept,
        workspace=snapshot.workspace.name if snapshot else "",
    )


def _comment(unit: Unit, asked: Asked, text: str) -> None:
    """Keep what somebody wrote beside their answer where the team reads it."""
    if not asked.step["task"]:
        return
    with unit.acting(person_actor(asked.party), correlation=unit.correlation):
        comment = change.new_entity(
            "comment",
            {
                "task": asked.step["task"],
                "author": asked.party["id"],
                "body": text[:20_000],
                "visibility": "public",
            },
            unit,
        )
        work.insert(unit.tx, "comment", [comment])
        unit.emit(
            "comment.added",
            comment["id"],
            case=asked.step["case_id"],
            data={"task": asked.step["task"], "channel": "link", "body": text[:500]},
        )

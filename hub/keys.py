"""The keys of workspace files beside mappings, and what each says. The readers accept exactly
these, and the JSON Schemas that editors show are made of them.
"""

from __future__ import annotations

from mappings.keys import Keys

HUB: Keys = {
    "name": "What this workspace is called.",
    "timezone": "The IANA time zone that clocks and reminders follow.",
    "calendar": "When you work: what business days and hours are.",
    "calendars": "Further calendars by name, for people, roles, processes and steps.",
    "connections": "The accounts at tools, by the names that other files call them.",
    "retention": "How long what has been dealt with is kept.",
    "nudges": "How much one person is written to before it is gathered.",
}
NUDGES: Keys = {
    "per_day": "Messages to one person in a day; what comes beyond goes in one digest an hour: 20.",
    "at_once": "Messages to one person in ten minutes; what comes beyond is gathered: 5.",
}
RETENTION: Keys = {
    "deliveries": "Days that a processed webhook delivery can be looked at and replayed: 90d. "
    "What is quarantined or captured is kept until a person acts.",
}
CALENDAR: Keys = {
    "country": "Whose public holidays are kept: an ISO code such as CH.",
    "subdivision": "The region of the country, for its own holidays: ZH.",
    "workdays": "The days of the week that are worked.",
    "hours": "The hours of a working day: 09:00-17:00.",
    "closed": "Further days on which nobody works: 2026-12-24.",
}
NAMED_CALENDAR: Keys = {
    **CALENDAR,
    "timezone": "Its IANA time zone, if it is not the workspace's.",
}

PEOPLE: Keys = {
    "people": "Who works here, by the short keys that other files write.",
    "roles": "Roles and who has them; role:NAME means the first who is available.",
    "identities": "Who is who in which tool, where the e-mail address does not tell.",
    "fallback": "Per connection, the account or group there that is assigned what belongs to "
    "somebody without an account there.",
}
PERSON: Keys = {
    "name": "Their name.",
    "email": "Their address: where they are asked, and known by in tools.",
    "timezone": "Their IANA time zone, if it is not the workspace's.",
    "calendar": "When they work, if not as the workspace: one of `calendars` in hub.yaml.",
    "deputies": "Who is asked when they are away, in this order; then the deputies of those.",
    "away": "When they are away: [{from: 2026-12-20, until: 2027-01-03}], both days included.",
    "left": "Their last day here: 2026-12-31. From the next day on their work passes on.",
    "quiet_hours": "Hours without messages: 19:00-07:00. What comes then waits for their end.",
    "channel": "The connection they are written to by; without it by mail.",
}

AWAY: Keys = {
    "from": "The first day away: 2026-12-20.",
    "until": "The last day away: 2027-01-03.",
}

ROLE: Keys = {
    "members": "Who has the role, by their keys.",
    "calendar": "When they work on what comes to them by this role: one of `calendars`.",
}

RULES: Keys = {
    "rules": "What follows from which event. Every rule that matches applies.",
    "otherwise": "What happens to an event that no rule matches: ignore, or exception.",
    "tests": "Examples that `hub test` plays.",
}
RULE: Keys = {
    "rule": "The name of this rule.",
    "when": "The type of event it listens to; a trailing * stands for anything: item.*",
    "if": "A CEL condition over event, task, item, case, delivery and now. Quote it.",
    "then": "What is done, in this order: one action an entry.",
}
RULE_TEST: Keys = {
    "given": "An event, and the entities it is about.",
    "expect": "The names of the rules that must match; [] for none.",
}
GIVEN: Keys = {
    "event": "The event: at least its type.",
    "task": "The task it is about.",
    "item": "The item it is about.",
    "case": "The case it belongs to.",
    "delivery": "The delivery it came with.",
    "now": "The moment that `now` means in conditions.",
}
PARAMETERS: Keys = {
    "process": "The process to start.",
    "key": "Joins the running case with this key instead of starting a second one.",
    "title": "The title. ${…} in it is CEL.",
    "data": "What the case knows from the start. ${…} in texts is CEL.",
    "to": "Who: a person's key, role:NAME, accountable, responsible, or external:${…}.",
    "text": "The message. ${…} in it is CEL.",
    "subject": "The subject of the message. ${…} in it is CEL.",
    "description": "The description, in Markdown. ${…} in it is CEL.",
    "assignee": "Who does it.",
    "accountable": "Who answers for it.",
    "due": "How long there is: 2bd, 4bh, 3d, 2h, 30m.",
    "priority": "How much it presses.",
    "labels": "Words it is found by.",
    "waiting_on": "Whose turn it is.",
    "custom": "Fields of your own.",
    "connection": "The tool that it is mirrored in.",
    "object": "The kind of record it becomes there, if there are several.",
    "task": "The id of the task that is meant, if it is not the event's.",
    "status": "How far it is.",
    "note": "What to say with it. ${…} in it is CEL.",
    "type": "The kind of exception.",
    "severity": "How bad it is.",
    "detail": "What somebody needs to know. ${…} in it is CEL.",
    "owner": "Who looks at it.",
}
"""What the parameters of actions say; one name means one thing in all of them."""

ACTIONS: Keys = {
    "start_case": "Start a case of a process, or join the running one with this key.",
    "notify": "Write to somebody.",
    "create_task": "Make a task.",
    "update_task": "Change the task of the event, or another.",
    "assign": "Give the task of the event, or another, to somebody.",
    "handoff": "Offer the step or task of the event to somebody, who accepts or declines.",
    "escalate": "Call somebody in on the step or task of the event.",
    "raise_exception": "Show something that a person must look at.",
}
"""What the actions do that this version can run; a test holds this beside them."""

PROCESS: Keys = {
    "process": "The name of this process; rules start it by that.",
    "title": "What people call it.",
    "description": "What it is for.",
    "accountable": "Who answers for every case: a person's key or role:NAME.",
    "due": "How long a case may take: 10bd, 3d.",
    "calendar": "The calendar of its clocks, one of `calendars` in hub.yaml; else the workspace's.",
    "pause": "Who the case's clock stands still for, while all of its open steps wait for them: "
    "[external].",
    "accept_within": "How long there is to accept a handoff, unless a step says: 4bh. Else 1bd.",
    "steps": "The steps by their keys, in the order they are shown.",
    "tests": "Examples that `hub test` plays.",
}
STEP: Keys = {
    "type": "What kind of step it is; a task, if nothing is said.",
    "title": "What the step is called. ${…} in it is CEL.",
    "description": "What is to be done. ${…} in it is CEL.",
    "delivers": "The outcome that the owner answers for, shown to everyone.",
    "after": "The steps that must be completed or skipped before.",
    "if": "A CEL condition; where it is false the step is skipped. Of a wait: which of the events "
    "is meant, over event, item, task and case. Quote it.",
    "each": "One run for each element of a list, side by side: ${case.data.tenants}. The other "
    "expressions of the step see the element as `each`, and its place from 0 as `each_index`.",
    "responsible": "Who does it: a person's key, role:NAME, accountable, or external:${…}.",
    "accountable": "Who answers for it; without this the case's.",
    "due": "How long there is once it can begin: 2bd, 4bh, 3d, 2h, 30m.",
    "calendar": "The calendar of its clock, one of `calendars` in hub.yaml; else that of whoever "
    "is responsible.",
    "pause": "Who its clock stands still for, while it waits for them: [external, system].",
    "accept_within": "How long there is to accept it once it is offered: 4bh.",
    "remind": "When the responsible is reminded.",
    "escalate": "Who hears of it when it is late.",
    "labels": "Words the task is found by.",
    "waiting_on": "Whose turn it is while it is open.",
    "connection": "The tool that the step is mirrored in as a task.",
    "object": "The kind of record it becomes there, if there are several.",
    "form": "What must be filled in to complete it: a JSON Schema of an object.",
    "decider": "Who decides: one who, or a list of them.",
    "options": "What can be decided; at least two.",
    "quorum": "How many must decide alike; the first option that they agree on is the outcome.",
    "sequence": "true: the deciders are asked one after the other, in this order.",
    "veto": "Options that are the outcome as soon as one person chooses them.",
    "exclude": "Who must not decide, nor answer for somebody: people, roles, or who did what "
    "before: ${steps.KEY.by}.",
    "outcomes": "What follows from an option, beside going on.",
    "event": "The type of event that is waited for; a trailing * stands for anything: item.*",
    "key": "Of a wait: what of the event must be the key of this case; without it the event must "
    "be about the case, its items or its tasks. Of a process: joins the running case with this "
    "key instead of starting a second one.",
    "process": "The process that is run as this step.",
    "data": "What that process is told.",
    "compensation": "What is to be undone if the case is ended after this was completed: it "
    "becomes a task. ${…} in it is CEL.",
}
PROCESS_TEST: Keys = {
    "name": "What the example shows.",
    "given": "The case: its data, key, title, who started it, and its item.",
    "happens": "What happens to it, in this order, one thing an entry.",
    "expect": "What must be so then: the steps that are active, completed, skipped, ..., the "
    "status of the case, its outcome.",
}
PROCESS_GIVEN: Keys = {
    "data": "What the case knows.",
    "key": "The key of the case.",
    "title": "The title of the case.",
    "started_by": "Who started it, as conditions see it.",
    "item": "The item that it is about.",
    "now": "The moment that `now` means in conditions.",
}
HAPPENING: Keys = {
    "done": "A task that is done; or that and its form: {documents: {vat_id: CH1}}.",
    "decide": "What is decided: {credit: approved}.",
    "event": "An event that comes in: {type: item.updated}; its item or task beside it.",
    "ended": "The process of a step that ends: {billing: completed}.",
    "skip": "A wait or a process that a person goes on without.",
    "item": "The item that the event is about.",
    "task": "The task that the event is about.",
}
EXPECTED: Keys = {
    "active": "Exactly these steps are active.",
    "completed": "Exactly these steps are completed.",
    "skipped": "Exactly these steps are skipped.",
    "available": "Exactly these steps have not had their turn.",
    "blocked": "Exactly these steps wait, as a condition or a list has no answer.",
    "status": "The status of the case: active, completed or terminated.",
    "outcome": "What the case ended with.",
}
REMIND: Keys = {
    "before": "How long before the due, once for each: [1bd, 4bh].",
    "every": "How often after it.",
    "max": "How many times at most.",
}
ESCALATION: Keys = {
    "after": "How long after the due.",
    "to": "Who hears of it.",
}
OUTCOME: Keys = {
    "terminate": "The case ends with this as its outcome.",
    "reopen": "The step that is begun again; it must come before this one.",
}

"""The keys of workspace files beside mappings, and what each says. The readers accept exactly
these, and the JSON Schemas that editors show are made of them.
"""

from __future__ import annotations

from mappings.keys import Keys

HUB: Keys = {
    "name": "What this workspace is called.",
    "timezone": "The IANA time zone that clocks and reminders follow.",
    "calendar": "When you work: what business days and hours are.",
    "connections": "The accounts at tools, by the names that other files call them.",
    "retention": "How long what has been dealt with is kept.",
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
    "deputies": "Who is asked when they are away, in this order.",
    "quiet_hours": "Hours without reminders: 19:00-07:00.",
    "channel": "The connection they are written to by; without it by mail.",
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
    "raise_exception": "Show something that a person must look at.",
}
"""What the actions do that this version can run; a test holds this beside them."""

PROCESS: Keys = {
    "process": "The name of this process; rules start it by that.",
    "title": "What people call it.",
    "description": "What it is for.",
    "accountable": "Who answers for every case: a person's key or role:NAME.",
    "due": "How long a case may take: 10bd, 3d.",
    "steps": "The steps by their keys, in the order they are shown.",
    "tests": "Examples that `hub test` plays.",
}
STEP: Keys = {
    "type": "What kind of step it is; a task, if nothing is said.",
    "title": "What the step is called. ${…} in it is CEL.",
    "description": "What is to be done. ${…} in it is CEL.",
    "delivers": "The outcome that the owner answers for, shown to everyone.",
    "after": "The steps that must be completed or skipped before.",
    "if": "A CEL condition; where it is false the step is skipped. Quote it.",
    "each": "One run for each element of a list.",
    "responsible": "Who does it: a person's key, role:NAME, accountable, or external:${…}.",
    "accountable": "Who answers for it; without this the case's.",
    "due": "How long there is once it can begin: 2bd, 4bh, 3d, 2h, 30m.",
    "remind": "When the responsible is reminded.",
    "escalate": "Who hears of it when it is late.",
    "labels": "Words the task is found by.",
    "waiting_on": "Whose turn it is while it is open.",
    "connection": "The tool that the step is mirrored in as a task.",
    "object": "The kind of record it becomes there, if there are several.",
    "form": "What must be filled in to complete it: a JSON Schema of an object.",
    "decider": "Who decides.",
    "options": "What can be decided; at least two.",
    "quorum": "How many must decide alike.",
    "exclude": "Who may not decide.",
    "outcomes": "What follows from an option, beside going on.",
    "event": "The type of event that is waited for.",
    "key": "What ties the event, or the process, to this case.",
    "process": "The process that is run as this step.",
    "data": "What that process is told.",
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

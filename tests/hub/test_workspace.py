"""Loading a workspace: what a good one gives, and what `hub check` says about a bad one."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from connectors.email.connector import EmailConnector
from connectors.sdk import Connector, Receiver
from connectors.sdk.config import ConnectionConfig
from connectors.sdk.errors import ConfigError
from connectors.sdk.records import Delivery, ObjectSpec, Parsed
from hub.reading import plain
from hub.workspace import Loaded, load, read_files, workspace_hash, write_starter
from hub.workspace.secrets import written_secrets
from mappings.source import Map, Source, SourceError


class Auth(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    user: str = Field("", description="Who signs in.")
    token: Annotated[SecretStr, Field(description="From the vendor's settings page.")]

    @field_validator("token")
    @classmethod
    def _long(cls, token: SecretStr) -> SecretStr:
        if not token.get_secret_value().startswith("tok_"):
            raise ValueError("a token begins with tok_")
        return token


class DeskConfig(ConnectionConfig):
    auth: Auth
    spaces: list[str] = Field(default_factory=list, max_length=2)


class Desk(Connector, Receiver):
    name: ClassVar[str] = "desk"
    title: ClassVar[str] = "Desk"
    config: ClassVar[type[ConnectionConfig]] = DeskConfig
    objects: ClassVar[Mapping[str, ObjectSpec]] = {
        "ticket": ObjectSpec("Ticket", pull=True, push=frozenset({"create"}), webhook=True),
        "task": ObjectSpec("Task", push=frozenset({"create"})),
        "note": ObjectSpec("Note", parent="ticket"),
    }
    sandbox: ClassVar[str] = ""

    def check(self) -> None:
        return None

    def verify(self, delivery: Delivery) -> str | None:
        return None

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        return []


CONNECTORS: dict[str, type[Connector]] = {"desk": Desk}

HUB = """\
name: acme
timezone: Europe/Zurich
calendar: {country: CH, subdivision: ZH, hours: "08:00-16:00", closed: [2026-12-24]}
connections:
  support:
    connector: desk
    base_url: https://desk.test
    auth: {user: env:DESK_USER, token: env:DESK_TOKEN}
    webhook: {secret: [env:HOOK, env:HOOK_OLD]}
    pull: {every: 5m, objects: [ticket]}
"""

PEOPLE = """\
people:
  dana: {name: Dana Meier, email: dana@acme.test, timezone: Europe/Zurich, deputies: [lee], quiet_hours: "19:00-07:00"}
  lee: {name: Lee Kim, email: lee@acme.test}
roles:
  ops-lead: [dana]
identities:
  support: {dana: dmeier}
"""  # noqa: E501 - the line is quoted as the contract has it

MAPPING = """\
mapping: support-ticket
connection: support
object: ticket
entity: task
fields:
  title: $.subject
  status:
    from: $.state
    values: {open: open, closed: done}
    back: {in_progress: open, on_hold: open, cancelled: closed}
    system_of_record: support
tests:
  - given: samples/ticket.json
    expect: {title: Hello}
"""

RULES = """\
rules:
  - rule: big
    when: item.*
    if: "item.kind == 'deal'"
    then:
      - start_case: {process: onboard, key: "${item.id}", data: {amount: "${item.amount.value}"}}
      - notify: {to: role:ops-lead, text: "Won: ${item.title}"}
"""

PROCESS = """\
process: onboard
accountable: role:ops-lead
steps:
  a: {title: A, responsible: dana, connection: support}
"""

GOOD = {
    "hub.yaml": HUB,
    "people.yaml": PEOPLE,
    "mappings/ticket.yaml": MAPPING,
    "rules/big.yaml": RULES,
    "processes/onboard.yaml": PROCESS,
    "samples/ticket.json": '{"subject": "Hello", "state": "open"}',
}
ENV = {"DESK_USER": "d", "DESK_TOKEN": "tok_1", "HOOK": "h", "HOOK_OLD": "o"}


def check(**changes: str) -> Loaded:
    """The good workspace with some files replaced; `hub` stands for hub.yaml and so on."""
    names = {
        "hub": "hub.yaml",
        "people": "people.yaml",
        "mapping": "mappings/ticket.yaml",
        "rules": "rules/big.yaml",
        "process": "processes/onboard.yaml",
    }
    return load({**GOOD, **{names[key]: text for key, text in changes.items()}}, CONNECTORS, ENV)


def says(loaded: Loaded, expected: str) -> bool:
    messages = [str(found) for found in loaded.findings]
    assert any(expected in message for message in messages), messages
    return True


def test_a_good_workspace_loads_without_a_finding() -> None:
    loaded = load(GOOD, CONNECTORS, ENV)
    assert loaded.findings == ()
    workspace = loaded.workspace
    assert workspace is not None
    assert (workspace.name, workspace.timezone) == ("acme", "Europe/Zurich")
    assert workspace.calendar.hours == "08:00-16:00"
    assert workspace.people["dana"].deputies == ("lee",)
    assert workspace.roles == {"ops-lead": ("dana",)}
    assert workspace.identities == {"support": {"dana": "dmeier"}}
    assert workspace.connections["support"].connector == "desk"
    assert workspace.mappings["support", "ticket"].spec.name == "support-ticket"
    assert list(workspace.processes) == ["onboard"]
    assert [rule.name for rule in workspace.rules] == ["big"]


def test_the_hash_follows_the_files_and_nothing_else() -> None:
    backwards = dict(reversed(list(GOOD.items())))
    assert workspace_hash(GOOD) == workspace_hash(backwards)
    assert workspace_hash(GOOD) != workspace_hash({**GOOD, "hub.yaml": HUB + "\n"})
    assert workspace_hash({"a": "bc"}) != workspace_hash({"ab": "c"})


def test_settings_are_the_connectors_model_with_references_resolved() -> None:
    workspace = load(GOOD, CONNECTORS, ENV).workspace
    assert workspace is not None
    spec = workspace.connections["support"]
    settings = spec.settings(Desk, lambda reference: ENV.get(reference.removeprefix("env:")))
    assert isinstance(settings, DeskConfig)
    assert settings.auth.token.get_secret_value() == "tok_1"
    assert [secret.get_secret_value() for secret in settings.webhook.secret] == ["h", "o"]


def test_a_missing_variable_is_named_with_its_place() -> None:
    workspace = load(GOOD, CONNECTORS, ENV).workspace
    assert workspace is not None
    with pytest.raises(ConfigError, match=r"hub\.yaml:8:40 the environment variable DESK_TOKEN"):
        workspace.connections["support"].settings(
            Desk, lambda reference: None if "DESK_TOKEN" in reference else "x"
        )


def test_a_resolved_value_that_does_not_fit_is_named_but_never_shown() -> None:
    workspace = load(GOOD, CONNECTORS, ENV).workspace
    assert workspace is not None
    with pytest.raises(ConfigError, match=r"hub\.yaml:8:40 auth\.token.*begins with tok_") as error:
        workspace.connections["support"].settings(Desk, lambda reference: "hunter2")
    assert "hunter2" not in str(error.value)
    assert error.value.__cause__ is None


def test_variables_that_are_not_set_are_warnings_and_not_looked_at_without_an_environment() -> None:
    warned = load(GOOD, CONNECTORS, {})
    assert warned.workspace is not None
    assert {found.severity for found in warned.findings} == {"warning"}
    assert len(warned.findings) == 4
    assert load(GOOD, CONNECTORS, None).findings == ()


def test_a_secret_in_a_file_is_an_error_that_does_not_repeat_it() -> None:
    loaded = check(
        hub=HUB.replace("env:DESK_TOKEN", "tok_hunter2").replace("env:HOOK,", "hunter2,")
    )
    assert loaded.workspace is None
    assert says(loaded, "hub.yaml:8:40 error: 'token' is a secret and must not stand in a file.")
    assert says(loaded, "hub.yaml:9:24 error: 'secret' is a secret")
    assert not any("hunter2" in found.with_caret() for found in loaded.findings)


def test_every_form_in_which_a_model_may_want_a_secret_is_seen() -> None:
    class Inner(BaseModel):
        key: SecretStr | None = None

    class Model(BaseModel):
        plain: str = ""
        one: SecretStr = SecretStr("")
        many: list[SecretStr] = []
        named: dict[str, SecretStr] = {}
        inner: Inner | None = None
        inners: list[Inner] = []

    text = "{plain: a, one: 1, many: [b], named: {x: c}, inner: {key: d}, inners: [{key: e}]}"
    raw = Source("x", text).load()
    assert isinstance(raw, Map)
    assert set(written_secrets(Model, raw, ())) == {
        ("one",),
        ("many", 0),
        ("named", "x"),
        ("inner", "key"),
        ("inners", 0, "key"),
    }


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("name: acme\n", "", "hub.yaml needs 'name'."),
        (
            "timezone: Europe/Zurich",
            "timezone: Europe/Zurch",
            "hub.yaml:2:11 error: 'Europe/Zurch'",
        ),
        ("country: CH", "country: XX", "there is no country 'XX'."),
        ("subdivision: ZH", "subdivision: YY", "there is no subdivision of CH 'YY'."),
        ('"08:00-16:00"', "8-16", 'Write "09:00-17:00".'),
        ("2026-12-24", "24.12.2026", "'24.12.2026' is not a date."),
        ("connections:", "conections:", "Did you mean 'connections'?"),
        (
            "connector: desk",
            "connector: desc",
            "hub.yaml:6:16 error: there is no connector 'desc'.",
        ),
        ("    connector: desk\n", "", "a connection needs 'connector'."),
        ("  support:\n", "  Support Desk:\n", "cannot be a connection's name"),
        ("user: env:DESK_USER", "usr: env:DESK_USER", "has no 'auth.usr'. Did you mean 'user'?"),
        ("base_url:", "baseurl:", "Did you mean 'base_url'?"),
        (
            "auth: {user: env:DESK_USER, token: env:DESK_TOKEN}",
            "auth: {user: x}",
            "hub.yaml:8:11 error: a desk connection needs 'auth.token'. From the vendor's",
        ),
        ("token: env:DESK_TOKEN", 'token: "env: DESK_TOKEN"', "not quite a reference"),
        (
            "every: 5m",
            "every: often",
            "hub.yaml:10:19 error: 'every': is not written as it has to be. How often",
        ),
        ("[env:HOOK, env:HOOK_OLD]", "[env:HOOK, {}]", "hub.yaml:9:34 error: 'secret': must be"),
        ("pull: {every: 5m, objects: [ticket]}", "pull: [x]", "'pull': must be a mapping."),
        ("objects: [ticket]", "objects: [tickt]", "Did you mean 'ticket'?"),
        ("objects: [ticket]", "objects: [note]", "'note' cannot be pulled from desk."),
        (
            "    webhook: {secret: [env:HOOK, env:HOOK_OLD]}\n",
            "",
            "hub.yaml:5:3 error: 'support' takes in webhooks but could not tell a genuine one.",
        ),
        ("secret: [env:HOOK, env:HOOK_OLD]", "unsigned: false", "could not tell a genuine one"),
        (
            "    base_url",
            "    spaces: [a, b, c]\n    base_url",
            "hub.yaml:7:13 error: 'spaces': List",
        ),
    ],
)
def test_a_mistake_in_hub_yaml_is_named_at_its_place(old: str, new: str, expected: str) -> None:
    assert old in HUB
    loaded = check(hub=HUB.replace(old, new))
    assert loaded.workspace is None
    assert says(loaded, expected)


@pytest.mark.parametrize("proof", ["token: env:HOOK", "receive: false"])
def test_other_proofs_of_a_webhook_are_accepted(proof: str) -> None:
    loaded = check(hub=HUB.replace("secret: [env:HOOK, env:HOOK_OLD]", proof))
    assert loaded.findings == ()


def test_a_connection_that_takes_anything_is_warned_of() -> None:
    loaded = check(hub=HUB.replace("secret: [env:HOOK, env:HOOK_OLD]", "unsigned: true"))
    assert loaded.workspace is not None
    (found,) = loaded.findings
    assert found.severity == "warning"
    assert str(found).startswith("hub.yaml:9:")
    assert "takes deliveries from anybody, without any proof" in str(found)


@pytest.mark.parametrize(
    ("webhook", "expected"),
    [
        ("secret: env:HOOK, unsigned: true", "`unsigned: true` would let everything pass"),
        ("receive: false, unsigned: true", "leave out `unsigned`"),
        ("receive: false, secret: env:HOOK", "leave out `secret`"),
    ],
)
def test_what_contradicts_itself_about_proof_is_refused(webhook: str, expected: str) -> None:
    loaded = check(hub=HUB.replace("secret: [env:HOOK, env:HOOK_OLD]", webhook))
    assert loaded.workspace is None
    assert says(loaded, expected)


def test_a_value_that_an_unset_variable_will_have_is_not_judged() -> None:
    """`tok_` is demanded of tokens, and nobody knows yet what DESK_TOKEN will be."""
    assert load(GOOD, CONNECTORS, None).workspace is not None
    loaded = load(GOOD, CONNECTORS, {**ENV, "DESK_TOKEN": "wrong"})
    assert says(loaded, "a token begins with tok_")


def test_a_broken_hub_yaml_does_not_make_other_files_look_wrong() -> None:
    loaded = check(hub=HUB.replace("    connector: desk\n", ""))
    assert {found.place.file for found in loaded.findings} == {"hub.yaml"}
    loaded = check(hub="name: [")
    assert {found.place.file for found in loaded.findings if "support" not in found.message} == {
        "hub.yaml"
    }


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("deputies: [lee]", "deputies: [leo]", "there is no person 'leo'."),
        ("deputies: [lee]", "deputies: [dana]", "cannot stand in for themselves"),
        (
            "ops-lead: [dana]",
            "ops-lead: [dna]",
            "people.yaml:5:14 error: there is no person 'dna'.",
        ),
        ("ops-lead: [dana]", "ops-lead: []", "nobody has the role 'ops-lead'."),
        ("lee@acme.test", "Dana@acme.test", "'dana' has this address too"),
        ("lee@acme.test", "lee at acme", "is not an e-mail address"),
        ("19:00-07:00", "19-7", 'Write "19:00-07:00".'),
        ("timezone: Europe/Zurich", "timezone: CET+1", "is not a time zone"),
        ("  lee: {", "  accountable: {", "cannot be a person's key"),
        ("support: {dana", "suport: {dana", "Did you mean 'support'?"),
        ("{dana: dmeier}", "{dna: dmeier}", "there is no person 'dna'"),
        ("{dana: dmeier}", "{dana: dmeier, lee: dmeier}", "somebody else is 'dmeier'"),
        ("{dana: dmeier}", "{dana: 12}", "must be text, not a number. Quote it."),
    ],
)
def test_a_mistake_in_people_yaml_is_named_at_its_place(old: str, new: str, expected: str) -> None:
    assert old in PEOPLE
    loaded = check(people=PEOPLE.replace(old, new))
    assert loaded.workspace is None
    assert says(loaded, expected)


def test_two_who_stand_in_only_for_each_other_are_a_warning() -> None:
    mutual = PEOPLE.replace("email: lee@acme.test", "email: lee@acme.test, deputies: [dana]")
    loaded = check(people=mutual)
    assert loaded.workspace is not None
    assert says(loaded, "stand in only for each other: dana → lee → dana.")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("connection: support", "connection: suport", "Did you mean 'support'?"),
        ("object: ticket", "object: tickets", "there is no desk object 'tickets'."),
        ("samples/ticket.json", "samples/tickt.json", "Did you mean 'samples/ticket.json'?"),
        ("system_of_record: support", "system_of_record: suport", "no system of record 'suport'"),
        ("entity: task", "entity: tsk", "task"),
    ],
)
def test_a_mistake_in_a_mapping_is_named_at_its_place(old: str, new: str, expected: str) -> None:
    assert old in MAPPING
    loaded = check(mapping=MAPPING.replace(old, new))
    assert loaded.workspace is None
    assert says(loaded, expected)
    assert all(found.place.file == "mappings/ticket.yaml" for found in loaded.findings)


def test_two_mappings_of_one_object_are_an_error() -> None:
    second = MAPPING.replace("mapping: support-ticket", "mapping: other")
    loaded = load({**GOOD, "mappings/z.yaml": second}, CONNECTORS, ENV)
    assert says(loaded, "'support-ticket' maps the object 'ticket' of 'support' already")


def test_a_mapping_for_one_connection_beats_the_one_for_its_connector() -> None:
    general = MAPPING.replace("mapping: support-ticket", "mapping: a-desk").replace(
        "connection: support", "connector: desk"
    )
    more = HUB + HUB[HUB.index("  support:") :].replace("  support:", "  sales:")
    loaded = load({**GOOD, "hub.yaml": more, "mappings/a.yaml": general}, CONNECTORS, ENV)
    assert loaded.workspace is not None, loaded.findings
    chosen = {key: mapping.spec.name for key, mapping in loaded.workspace.mappings.items()}
    assert chosen == {("support", "ticket"): "support-ticket", ("sales", "ticket"): "a-desk"}


def test_a_connectors_own_mappings_apply_where_the_workspace_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "foreign_desk"
    (package / "mappings").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "connector.py").write_text("")
    shipped = MAPPING[: MAPPING.index("tests:")].replace("connection: support", "connector: desk")
    (package / "mappings" / "ticket.yaml").write_text(
        shipped.replace("mapping: support-ticket", "mapping: desk-ticket").replace(
            "    system_of_record: support\n", ""
        )
    )
    monkeypatch.syspath_prepend(tmp_path)
    foreign = type("Foreign", (Desk,), {"__module__": "foreign_desk.connector"})
    own = {key: text for key, text in GOOD.items() if not key.startswith("mappings/")}
    loaded = load(own, {"desk": foreign}, ENV)
    assert loaded.workspace is not None, loaded.findings
    default = loaded.workspace.mappings["support", "ticket"].spec
    assert default.name == "desk-ticket"
    assert default.place.file == "foreign_desk/mappings/ticket.yaml"
    with_own = load(GOOD, {"desk": foreign}, ENV)
    assert with_own.workspace is not None
    assert with_own.workspace.mappings["support", "ticket"].spec.name == "support-ticket"
    extending = (
        "mapping: mine\nextends: desk-ticket\nconnection: support\nfields:\n  title: $.name\n"
    )
    extended = load({**own, "mappings/mine.yaml": extending}, {"desk": foreign}, ENV)
    assert extended.workspace is not None, extended.findings
    mine = extended.workspace.mappings["support", "ticket"].spec
    assert (mine.name, mine.entity, set(mine.fields)) == ("mine", "task", {"title", "status"})


def test_processes_are_checked_against_the_rest_and_named_once() -> None:
    assert says(check(process=PROCESS.replace("dana", "dna")), "Did you mean 'dana'?")
    assert says(check(process=PROCESS.replace("support}", "suport}")), "Did you mean 'support'?")
    twice = load({**GOOD, "processes/z.yaml": PROCESS}, CONNECTORS, ENV)
    assert says(twice, "there are two processes 'onboard' (the first in processes/onboard.yaml).")


def test_a_rule_is_not_blamed_for_a_process_that_has_errors_of_its_own() -> None:
    loaded = check(process=PROCESS.replace("responsible: dana", "respnsible: dana"))
    assert {found.place.file for found in loaded.findings} == {"processes/onboard.yaml"}


def test_findings_come_in_the_order_of_files_and_lines() -> None:
    loaded = check(
        rules=RULES.replace("onboard", "onbord"),
        people=PEOPLE.replace("[lee]", "[leo]").replace("ops-lead: [dana]", "ops-lead: [leo]"),
    )
    places = [found.place for found in loaded.findings]
    assert places == sorted(places)
    assert len(places) >= 3


@pytest.mark.parametrize("file", ["hub.yaml", "people.yaml", "rules/big.yaml", "mappings/x.yaml"])
@pytest.mark.parametrize(
    "text", ["", "[]", "- a: 1\n", "{", "42", "a: &x 1\nb: *x", "%YAML 1.1\n---"]
)
def test_no_text_in_any_file_is_more_than_findings(file: str, text: str) -> None:
    loaded = load({**GOOD, file: text}, CONNECTORS, ENV)
    if loaded.workspace is None:
        assert any(
            found.place.file == file or found.severity == "error" for found in loaded.findings
        )
    else:
        assert text == ""


RICH = {
    **GOOD,
    "processes/onboard.yaml": """\
process: onboard
accountable: role:ops-lead
due: 10bd
steps:
  a:
    title: A
    responsible: "external:${case.data.mail}"
    form: {type: object, required: [x], properties: {x: {type: string}}}
    labels: [one]
    due: 2bd
    remind: {before: [1bd], every: 1bd, max: 3}
    escalate: [{after: 1bd, to: accountable}]
  b:
    type: decision
    title: B
    after: [a]
    if: "case.data.x > 1.0"
    decider: role:ops-lead
    options: [go, back]
    quorum: 1
    exclude: ["${case.started_by}"]
    outcomes: {back: {reopen: a}}
""",
    "rules/big.yaml": RULES
    + "otherwise: ignore\ntests: [{given: {event: {type: x}}, expect: []}]\n",
}


def _replaced(data: Any, values: Sequence[Any]) -> Iterator[Any]:
    """The data with each of its parts in turn replaced by each value."""
    yield from values
    if isinstance(data, dict):
        for key, item in data.items():
            for other in _replaced(item, values):
                yield {**data, key: other}
    elif isinstance(data, list):
        for index, item in enumerate(data):
            for other in _replaced(item, values):
                yield [*data[:index], other, *data[index + 1 :]]


@pytest.mark.parametrize("file", [file for file in RICH if file.endswith(".yaml")])
def test_a_value_of_any_wrong_kind_anywhere_is_a_finding_at_its_file(file: str) -> None:
    document = plain(Source(file, RICH[file]).load())
    wrong: list[Any] = [None, 5, True, "x", [], [None], {"a": 1}]
    tried = 0
    for changed in _replaced(document, wrong):
        loaded = load({**RICH, file: json.dumps(changed)}, CONNECTORS, ENV)
        assert loaded.workspace is not None or loaded.errors
        tried += 1
    assert tried > 100


# ------------------------------------------------------------------------------------ the folder


def write(root: Path, files: Mapping[str, Any]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def test_the_folder_is_read_without_what_does_not_belong_to_it(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(
        tmp_path,
        {".hub/secret.key": "k", "notes.txt": "n", "rules/.big.yaml.swp": "x", "rules/x.txt": "x"},
    )
    write(tmp_path, {"people.yaml": b"\xef\xbb\xbf" + PEOPLE.encode()})
    assert read_files(tmp_path) == dict(sorted(GOOD.items()))


def test_a_folder_without_hub_yaml_is_no_workspace(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "missing"):
        with pytest.raises(SourceError, match="hub init DIR"):
            read_files(place)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("rules/a.yaml", b"\xff\xfe", "not UTF-8"),
        ("rules/a.yaml", b"#" * ((1 << 20) + 1), "1,048,576 are allowed"),
        ("samples/a.json", b"1" * ((5 << 20) + 1), "5,242,880 are allowed"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, name: str, content: bytes, complaint: str
) -> None:
    write(tmp_path, {**GOOD, name: content})
    with pytest.raises(SourceError, match=complaint) as error:
        read_files(tmp_path)
    assert error.value.findings[0].place.file == name


def test_links_may_stay_in_the_folder_but_not_leave_it(tmp_path: Path) -> None:
    workspace, outside = tmp_path / "ws", tmp_path / "outside.yaml"
    write(workspace, GOOD)
    outside.write_text("secret: 1")
    os.symlink(workspace / "rules/big.yaml", workspace / "rules/again.yaml")
    assert read_files(workspace)["rules/again.yaml"] == RULES
    os.symlink(outside, workspace / "rules/leak.yaml")
    with pytest.raises(SourceError, match="leads out of the workspace"):
        read_files(workspace)


def test_a_linked_folder_that_leads_out_is_refused(tmp_path: Path) -> None:
    workspace, outside = tmp_path / "ws", tmp_path / "elsewhere"
    write(workspace, {key: text for key, text in GOOD.items() if not key.startswith("rules/")})
    write(outside, {"leak.yaml": "secret: 1"})
    os.symlink(outside, workspace / "rules")
    with pytest.raises(SourceError, match="leads out of the workspace"):
        read_files(workspace)


def test_a_yml_file_is_said_to_be_ignored() -> None:
    loaded = load({**GOOD, "rules/more.yml": RULES}, CONNECTORS, ENV)
    assert says(loaded, "rules/more.yml:1:1 error: 'rules/more.yml' is not read. Rename it")


def test_the_starter_passes_its_own_check_and_its_own_tests(tmp_path: Path) -> None:
    written = write_starter(tmp_path / "new")
    assert written == sorted(read_files(tmp_path / "new"))
    loaded = load(read_files(tmp_path / "new"), {}, {})
    assert loaded.findings == ()
    assert loaded.workspace is not None
    rules = loaded.workspace.rules
    assert rules.tests
    for test in rules.tests:
        matched = rules.match(test.given["event"], test.given)
        assert tuple(rule.name for rule in matched.rules) == test.expect


def test_the_starter_overwrites_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"people.yaml": "mine"})
    with pytest.raises(FileExistsError, match="nothing was written"):
        write_starter(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["people.yaml"]
    assert (tmp_path / "people.yaml").read_text() == "mine"


def test_two_hundred_files_are_checked_in_two_seconds() -> None:
    files = {key: GOOD[key] for key in ("hub.yaml", "people.yaml", "samples/ticket.json")}
    account = (
        "  s{0}:\n    connector: desk\n    auth: {{token: env:T}}\n    webhook: {{token: env:T}}\n"
    )
    files["hub.yaml"] += "".join(account.format(number) for number in range(66))
    for number in range(66):
        mapping = MAPPING.replace("support", f"s{number}").replace("$.subject", f"$.s{number}.t")
        files[f"mappings/m{number}.yaml"] = mapping
        files[f"rules/r{number}.yaml"] = (
            RULES.replace("rule: big", f"rule: big{number}")
            .replace("'deal'", f"'deal{number}'")
            .replace("process: onboard", f"process: p{number}")
        )
        files[f"processes/p{number}.yaml"] = PROCESS.replace(
            "process: onboard", f"process: p{number}"
        )
    assert len(files) > 200
    began = time.perf_counter()
    loaded = load(files, CONNECTORS, None)
    took = time.perf_counter() - began
    print(f"{len(files)} files checked in {took:.2f} s")
    assert loaded.workspace is not None, loaded.findings[:3]
    assert took < 2


@pytest.mark.parametrize(
    ("changes", "says_so"),
    [
        (
            {"mapping": MAPPING.replace("entity: task", "entity: task\ndirection: in")},
            "processes/onboard.yaml:4:3 warning: 'support' takes no tasks: no mapping of it writes"
            " them. Name another connection, or add a mapping with entity: task and"
            " direction: both.",
        ),
        (
            {"process": PROCESS.replace("support}", "support, object: tickt}")},
            "'support' takes no tasks as 'tickt'. Did you mean 'ticket'?",
        ),
        (
            {"rules": RULES + "      - create_task: {title: Look, connection: support}\n"},
            "rules/big.yaml:8:9 warning: 'support' takes tasks as ticket and as task."
            " Say which one: object: ticket",
        ),
    ],
)
def test_what_no_tool_would_take_is_told_before_it_runs(
    changes: dict[str, str], says_so: str
) -> None:
    files = {}
    if "create_task" in changes.get("rules", ""):
        files["mappings/task.yaml"] = MAPPING.replace("object: ticket", "object: task").replace(
            "mapping: support-ticket", "mapping: support-task"
        )
    names = {"mapping": "mappings/ticket.yaml", "rules": "rules/big.yaml"}
    changed = {names.get(key, "processes/onboard.yaml"): text for key, text in changes.items()}
    loaded = load({**GOOD, **files, **changed}, CONNECTORS, ENV)
    assert loaded.errors == ()
    assert says(loaded, says_so)


def test_a_deletion_that_no_tool_can_carry_out_is_told() -> None:
    mapping = MAPPING.replace("entity: task\n", "entity: task\ndeletes: {out: delete}\n")
    loaded = load({**GOOD, "mappings/ticket.yaml": mapping}, CONNECTORS, ENV)
    assert loaded.errors == ()
    assert says(
        loaded,
        "mappings/ticket.yaml:5:10 warning: 'support' cannot delete a ticket: what is deleted here"
        " stays there. Leave 'out: delete' out.",
    )


def test_a_connection_that_brings_nothing_in_is_told() -> None:
    files = {key: text for key, text in GOOD.items() if key not in ("mappings/ticket.yaml",)}
    loaded = load(files, CONNECTORS, ENV)
    assert says(
        loaded,
        "hub.yaml:5:3 warning: nothing of 'support' is mapped, so nothing of it comes in."
        " Add a file under mappings/ with connection: support and object: ticket or task or note.",
    )


def test_a_connection_is_spoken_of_as_people_speak() -> None:
    hub = "name: acme\nconnections: {post: {connector: email}}\n"
    loaded = load({"hub.yaml": hub}, {"email": EmailConnector})
    assert says(loaded, "an email connection needs 'smtp'.")

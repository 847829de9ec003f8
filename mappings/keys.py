"""The keys of a mapping file and what each says. The reader accepts exactly these, and the JSON
Schema that editors show is made of them.
"""

from __future__ import annotations

from collections.abc import Mapping

Keys = Mapping[str, str]
"""Key to what an editor shows beside it."""

DIRECTIONS: Keys = {
    "in": "from the tool to the hub only",
    "out": "from the hub to the tool only",
    "both": "both ways",
}
CONFLICTS: Keys = {
    "review": "a person chooses",
    "newest": "the later edit wins",
    "ours": "the hub's value wins",
    "theirs": "the tool's value wins",
}
DELETES_IN: Keys = {
    "tombstone": "ours stays and is marked as deleted there",
    "cancel": "a task of ours is cancelled",
    "ignore": "nothing happens",
}
DELETES_OUT: Keys = {
    "never": "records are never deleted by the hub",
    "delete": "what is deleted here is deleted there",
}
OTHERWISE: Keys = {
    "exception": "a person is asked",
    "keep": "our value stays as it is",
}

TOP_KEYS: Keys = {
    "mapping": "The name of this mapping; other files and commands call it so.",
    "connection": "The connection of hub.yaml whose records this maps.",
    "connector": "The kind of tool whose records this maps, for all its connections.",
    "extends": "Another mapping, or a connector's default, whose lines hold where this file is "
    "silent. `field: null` drops an inherited field.",
    "object": "The tool's kind of record, as the connector calls it: issue, task, row.",
    "entity": "What a record becomes here.",
    "filter": "A CEL condition over `record`; what it is false for does not come in. Quote it.",
    "direction": "Which way values go, unless a field says otherwise.",
    "conflict": "What happens where both sides changed a field that has no system of record.",
    "fields": "Our fields, each with where its value stands in the tool's record.",
    "deletes": "What a deletion on one side means for the other.",
    "identity": "Who a record is, for connectors that cannot know: rest, spreadsheet, webhook.",
    "match": "How a new record is told to be something that is here already. null: never.",
    "tests": "Examples that `hub test` runs.",
}
FIELD_KEYS: Keys = {
    "from": "Where the value stands in the tool's record, as JSONPath; of several paths the first "
    "that gives something counts.",
    "value": "A constant.",
    "text": "Text in which ${…} is CEL over `record`.",
    "if": "A CEL condition over `record`; where it is false the field is left alone. Quote it.",
    "values": "The tool's values and what each means here: theirs: ours.",
    "back": "The way back where `values` does not say it: ours: theirs.",
    "otherwise": "What a value means that `values` does not list: exception, keep, or one of ours.",
    "system_of_record": "Who has the last word: a connection, or hub.",
    "direction": "Which way this field goes.",
    "conflict": "What happens where both sides changed it.",
    "as": "What is done to the value on its way in, and undone on its way out: a transform, or a "
    "list of them in this order.",
    "to": "Where it is written, if that is not where it is read.",
    "default": "What it is where the tool says nothing.",
}
DELETES_KEYS: Keys = {
    "in": "What a record that is deleted in the tool means here.",
    "out": "What something that is deleted here means in the tool.",
}
IDENTITY_KEYS: Keys = {
    "key": "The path of what tells one record from another.",
    "version": "The path of what changes whenever the record does.",
    "url": "The path of the record's address.",
    "former": "The path of the ids it had before: of records that moved, or were merged into it.",
}
MATCH_KEYS: Keys = {
    "by": "A field, or a list of fields. Whatever agrees in all of them is the same, and is "
    "linked. A list of lists: any of these.",
    "likely": "Likewise; but a person is asked.",
}
TEST_KEYS: Keys = {
    "given": "A record of the tool: written out, or the path of a sample.",
    "expect": "Our fields that must come of it, and their values; or the word filtered, where the "
    "filter keeps the record out.",
    "roundtrip": "true: writing what came in must give the tool's own values again.",
    "back": "The tool's fields that must be written for it, and their values.",
}

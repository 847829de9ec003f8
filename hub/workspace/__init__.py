"""The workspace: what an ops team writes in files, read, checked and compiled."""

from hub.workspace.actions import Action
from hub.workspace.connections import ConnectionSpec
from hub.workspace.files import read_files, workspace_hash, write_starter
from hub.workspace.matching import Matched, Trace
from hub.workspace.people import Person
from hub.workspace.rules import Rule, RuleSet
from hub.workspace.workspace import Loaded, Workspace, load

__all__ = [
    "Action",
    "ConnectionSpec",
    "Loaded",
    "Matched",
    "Person",
    "Rule",
    "RuleSet",
    "Trace",
    "Workspace",
    "load",
    "read_files",
    "workspace_hash",
    "write_starter",
]

"""The named functions a mapping may call in `as`: each inward, most with a way back.

A transform is built once per use from its parameters and then called per value. It sees the value
and a `Scope`, raises `Fault` for a value it cannot take, and never sees null (null stays null).
"""

from mappings.transforms.dates import DATES
from mappings.transforms.durations import DURATIONS
from mappings.transforms.lists import LISTS
from mappings.transforms.markup import MARKUP
from mappings.transforms.numbers import NUMBERS
from mappings.transforms.people import PEOPLE
from mappings.transforms.step import (
    TRANSFORMS,
    Bound,
    Directory,
    Example,
    Fault,
    Param,
    ParamError,
    ProblemKind,
    Scope,
    Step,
    Transform,
    bind,
    register,
    registrable,
    unavailable,
)
from mappings.transforms.text import TEXT, text_of
from mappings.transforms.words import WORDS

__all__ = [
    "TRANSFORMS",
    "Bound",
    "Directory",
    "Example",
    "Fault",
    "Param",
    "ParamError",
    "ProblemKind",
    "Scope",
    "Step",
    "Transform",
    "bind",
    "register",
    "registrable",
    "text_of",
    "unavailable",
]

for _transform in (*TEXT, *LISTS, *NUMBERS, *WORDS, *DATES, *DURATIONS, *PEOPLE, *MARKUP):
    register(_transform)

"""Transforms that other packages bring, and the page that says what there is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import transform_docs, transforms
from mappings.source import Place
from mappings.spec import UNSET, TransformUse
from mappings.transforms import TRANSFORMS, Fault, ParamError, Scope, bind

ROOT = Path(__file__).parents[2]
SCOPE = Scope(None, "desk")
MODULE = '''
from mappings.transforms import Example, Param, Transform


def vat(value):
    """A Swiss VAT number without its dots.

    More that nobody needs in a list.
    """
    if not str(value).startswith("CHE"):
        raise ValueError("it does not begin with CHE.")
    return value.replace(".", "").replace("-", "")


def _wrap(params):
    sign = params.get("sign", "*")
    return (lambda value, scope: value.strip(sign), lambda value, scope: sign + value + sign)


wrapped = Transform("wrapped", "without the signs around it", _wrap, {"sign": Param("text")})
date = Transform("date", "taken", _wrap)
seven = 7
'''


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder in which two distributions are installed, one of them broken."""
    (tmp_path / "acme_mappings.py").write_text(MODULE)
    (tmp_path / "broken_mappings.py").write_text("raise RuntimeError('no licence')\n")
    for name, points in {
        "acme-mappings": "vat = acme_mappings:vat\nwrapped = acme_mappings:wrapped\n"
        "date = acme_mappings:date\nseven = acme_mappings:seven\nother = acme_mappings:wrapped\n",
        "broken-mappings": "iban = broken_mappings:iban\n",
    }.items():
        info = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{transforms.GROUP}]\n{points}")
    return tmp_path


@pytest.fixture
def brought(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, transforms.Brought]]:
    before = dict(TRANSFORMS)
    monkeypatch.syspath_prepend(str(site))
    transforms.brought_transforms.cache_clear()
    yield {one.name: one for one in transforms.brought_transforms()}
    TRANSFORMS.clear()
    TRANSFORMS.update(before)
    transforms.brought_transforms.cache_clear()


def use(name: str, **params: object) -> TransformUse:
    return TransformUse(name, params, UNSET, Place("t.yaml"))


def test_a_function_of_one_value_is_a_transform(brought: dict[str, transforms.Brought]) -> None:
    assert brought["vat"] == transforms.Brought("vat", "acme-mappings")
    vat = bind(use("vat"))
    assert TRANSFORMS["vat"].about == "A Swiss VAT number without its dots"
    assert vat.inward(["CHE-123.456.789", None], SCOPE) == ["CHE123456789", None]
    assert vat.outward is None
    with pytest.raises(Fault, match="it does not begin with CHE"):
        vat.inward("DE1", SCOPE)


def test_a_transform_with_parameters_goes_both_ways(brought: dict[str, transforms.Brought]) -> None:
    wrapped = bind(use("wrapped", sign="#"))
    assert wrapped.outward is not None
    assert wrapped.inward("#a#", SCOPE) == "a"
    assert wrapped.outward("a", SCOPE) == "#a#"


def test_a_broken_one_is_told_with_its_package_and_the_rest_works(
    brought: dict[str, transforms.Brought],
) -> None:
    assert {name: one.problem for name, one in brought.items() if one.problem} == {
        "date": "it does not load: There is already a transform 'date'",
        "iban": "it does not load: no licence",
        "other": "it does not load: The transform calls itself 'wrapped'",
        "seven": "it does not load: It is neither a Transform nor a function, but 7",
    }
    assert bind(use("date")).inward("2026-03-04", SCOPE) == "2026-03-04"
    with pytest.raises(ParamError, match=r"the package broken-mappings brings it.*no licence"):
        bind(use("iban"))


def test_what_make_docs_writes_is_what_is_there() -> None:
    assert (ROOT / transform_docs.FILE).read_text("utf-8") == transform_docs.page(), "run make docs"


def test_the_command_lists_them_and_names_the_broken_package(site: Path) -> None:
    paths = [str(site), str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    ran = subprocess.run(
        [sys.executable, "-m", "hub", "transforms", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = {one["name"]: one for one in json.loads(ran.stdout)}
    assert found["vat"]["package"] == "acme-mappings"
    assert found["vat"]["both_ways"] is False
    assert found["date"]["package"] == "process-hub"
    assert "the transform 'iban' of broken-mappings: it does not load: no licence." in ran.stderr

"""The versions that are tested lie within the ranges that the package admits."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ADMITTED = [Requirement(text) for text in PROJECT["dependencies"]]


def pins(file: str) -> dict[str, Requirement]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / file).read_text().splitlines())
    found = [Requirement(line) for line in lines if line and not line.startswith("-r")]
    return {canonicalize_name(one.name): one for one in found}


@pytest.mark.parametrize("admitted", ADMITTED, ids=lambda one: one.name)
def test_the_tested_version_is_admitted(admitted: Requirement) -> None:
    pinned = pins("requirements.txt")[canonicalize_name(admitted.name)]
    (pin,) = pinned.specifier
    assert pin.operator == "=="
    assert admitted.specifier.contains(pin.version)
    assert pinned.extras == admitted.extras


def test_nothing_is_pinned_that_the_package_does_not_name() -> None:
    assert pins("requirements.txt").keys() == {canonicalize_name(one.name) for one in ADMITTED}


def test_no_requirement_names_an_address() -> None:
    for file in ("requirements.txt", "requirements-dev.txt", "pyproject.toml"):
        assert "://" not in (ROOT / file).read_text()

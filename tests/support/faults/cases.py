"""The pairs of source and destination that the fault suites run on: one for each pipeline file between two stand-ins.

What a suite has to know of a vendor is in ``<vendor>_case.py`` (``SOURCE``, ``DESTINATION``); for one with a plain
stand-in it follows from that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

import yaml

from order_relay.pipeline.settings.locations import config_folder
from order_relay_sandbox import with_role
from tests.support.faults import plain_case
from tests.support.faults.case import Case

T = TypeVar("T")


def _found() -> Iterator[Case]:
    """In the order of the stand-ins: the default source and destination first."""
    sources, destinations = with_role("source"), with_role("destination")
    pairs: dict[tuple[str, str], str] = {}
    for file in sorted(config_folder().glob("*.yaml")):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        source, destination = (content.get(side, {}).get("vendor", "") for side in ("source", "destination"))
        if source in sources and destination in destinations:
            pairs.setdefault((source, destination), file.stem)
    for source, destination in sorted(pairs, key=lambda pair: (sources.index(pair[0]), destinations.index(pair[1]))):
        yield Case.of(pairs[source, destination], _side(source, "SOURCE"), _side(destination, "DESTINATION"))


def _side(vendor: str, member: str) -> Any:
    module = f"{__package__}.{vendor}_case"
    if find_spec(module) is not None:
        return getattr(import_module(module), member)
    return getattr(plain_case, member.lower())(vendor)


CASES = list(_found())


def named(name: str) -> Case:
    """The case of this name."""
    return next(case for case in CASES if case.name == name)


def share(case: Case, trials: Sequence[T]) -> list[T]:
    """What the short profile tries of ``trials`` that are about the engine: all with the first case, some with others.

    The long profile tries all with each.
    """
    return list(trials if case is CASES[0] else trials[::5])

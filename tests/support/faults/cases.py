"""The pairs of source and destination that the fault suites run on: one for each pipeline file between two stand-ins.

What a suite has to know of a vendor is in ``<vendor>_case.py`` (``SOURCE``, ``DESTINATION``); for one with a plain
stand-in it follows from that. The pairs of the sample vendors are apart: a process finds these only while they are
installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

import yaml

from order_relay.pipeline.settings.locations import config_folder
from order_relay_sandbox import with_role
from tests.support.faults import plain_case
from tests.support.faults.case import Case
from tests.vendors.sample import installed

T = TypeVar("T")


def _found(context: Callable[[], AbstractContextManager[None]] = nullcontext) -> Iterator[Case]:
    """The pairs that a process finds in this context, the default source and destination first."""
    with context():
        sources, destinations = with_role("source"), with_role("destination")
        pairs: dict[tuple[str, str], tuple[str, tuple[str, str]]] = {}
        for file in sorted(config_folder().glob("*.yaml")):
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
            sides = [content.get(side, {}) for side in ("source", "destination")]
            source, destination = (side.get("vendor", "") for side in sides)
            ids = [side.get("connection", f"{side.get('vendor')}_default") for side in sides]
            if source in sources and destination in destinations:
                pairs.setdefault((source, destination), (file.stem, (ids[0], ids[1])))
        for pair in sorted(pairs, key=lambda pair: (sources.index(pair[0]), destinations.index(pair[1]))):
            pipeline, connections = pairs[pair]
            yield Case.of(
                _side(pair[0], "SOURCE"),
                destination=_side(pair[1], "DESTINATION"),
                pipeline=pipeline,
                connections=connections,
                installed=context,
            )


def _side(vendor: str, member: str) -> Any:
    module = f"{__package__}.{vendor}_case"
    if find_spec(module) is not None:
        return getattr(import_module(module), member)
    return getattr(plain_case, member.lower())(vendor)


CASES = list(_found())
SAMPLE_CASES = list(_found(installed))


def named(name: str) -> Case:
    """The case of this name."""
    return next(case for case in (*CASES, *SAMPLE_CASES) if case.name == name)


def share(case: Case, trials: Sequence[T]) -> list[T]:
    """What the short profile tries of ``trials`` that are about the engine: all with the first case, some with others.

    The long profile tries all with each.
    """
    return list(trials if case is CASES[0] else trials[::5])

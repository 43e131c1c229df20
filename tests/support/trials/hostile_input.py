"""Trials of hostile input: every order is imported, quarantined or refused, and the good orders are not affected.

Each trial offers hostile orders among good ones, runs until no order is open, and audits the good ones.
"""

from __future__ import annotations

import json
import random
from typing import Any

from tests.support.faults.case import Case, Order
from tests.support.faults.world import World, faults_of, world

BAD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    10**30,
    -(10**400),
    1.5,
    "",
    " ",
    "\x00",
    "a\x00b",
    "\u202e",
    "9" * 500,
    "NaN",
    "1e400",
    [],
    {},
    [[]],
    {"": None},
    "'; DROP TABLE submission; --",
    "<script>",
    "../../etc/passwd",
    "\ufeff",
    "𝟙𝟚",
    "1,00",
    "０",
)
"""Values of an unexpected type or range."""

RAW: tuple[bytes, ...] = (
    b"NaN",
    b"-Infinity",
    b"1e400",
    b"-1e-400",
    b"123456789012345678901234567890",
    b"0.1" + b"0" * 400,
    b'"\\ud800"',
    b'"\\u0000"',
    b'"' + b"x" * 100_000 + b'"',
    b"[" * 60 + b"]" * 60,
    b'{"a":1,"a":2}',
    b'"\xff\xfe"',
    b"01",
    b"+1",
    b"'single'",
    b"tru",
    b"",
    b'"\x01"',
    b"1E999999999",
    b"-0",
    b"-0.0",
    b"1.0e0",
)
"""JSON texts, valid and invalid, that replace a value."""


def orders(params: dict[str, Any]) -> dict[str, Any]:
    """``number`` hostile orders, made from ``seed``, one run after another with those that break a whole envelope."""
    rng = random.Random(params["seed"])
    with world(params) as here:
        good = here.case.plain(5)
        hostile = [_hostile(rng, here.case, number) for number in range(params["number"])]
        whole = [text for text in hostile if _is_json(text)]
        broken = [text for text in hostile if not _is_json(text)]
        with here.sandbox({}, []) as sandbox:
            sandbox.offer([*good[:3], *whole])
            engine = here.engine()
            complaints = here.until_quiet(engine, 4)
            before = sandbox.report()["imported"]
            error = ""
            if broken:  # one order that is no JSON makes the whole answer unreadable: refused, and nothing taken of it
                sandbox.offer([*good[3:], rng.choice(broken)])
                error = here.run(engine)
            result = _check(here, engine, sandbox, good[:3], params)
            complaints = [text_ for text_ in complaints if not _ours(text_)]
    if complaints:
        result["faults"]["runs failed"] = complaints[:3]
    if before < len(good[:3]):
        result["faults"]["good orders held up"] = before
    if error and not error.startswith("MalformedResponseError"):
        result["faults"]["a broken envelope is reported as"] = error
    return {**result, "tried": params["number"]}


def _ours(text_: str) -> bool:
    """Whether a run may fail with this error if the source's response is unusable."""
    return text_.startswith(("MalformedResponseError", "TransientError", "ThrottledError"))


def _check(here: World, engine: Any, sandbox: Any, good: list[Order], params: dict[str, Any]) -> dict[str, Any]:
    """Audit of the good orders: all imported, no duplicates, accounting check passed."""
    verdict = here.verdict(engine, sandbox, dict.fromkeys(map(here.case.source_id, good), "imported"))
    return {**params, "faults": faults_of(verdict, unacknowledged=True), "verdict": verdict}


def envelope(params: dict[str, Any]) -> dict[str, Any]:
    """The source's whole answer is wrong in the way ``answer``, once; then all is well."""
    with world(params) as here, here.sandbox({}, here.case.plain(4)) as sandbox:
        rules = [{"at": "list", "answer": params["answer"], "first": 1, "seconds": 1.0}]
        sandbox.change(here.case.at_source(faults=rules))
        engine = here.engine()
        first = here.run(engine)
        here.until_quiet(engine)
        expected = dict.fromkeys(map(here.case.source_id, here.case.plain(4)), "imported")
        verdict = here.verdict(engine, sandbox, expected)
    faults = faults_of(verdict, unacknowledged=True)
    if first and not _ours(first) and "ConfigurationError" not in first and "SourceAuthError" not in first:
        faults["reported as"] = first
    return {**params, "error": first, "faults": faults, "verdict": verdict}


def _hostile(rng: random.Random, case: Case, number: int) -> bytes:
    """A good order with one or more places spoiled. Its identity is of its own, unless that is what is spoiled."""
    document = case.twin(case.plain(25)[rng.randrange(10, 24)], number)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        _spoil(rng, document, case.fixed)
    text = json.dumps(document).encode()
    if rng.random() < 0.4:
        text = _put_raw(rng, text, case.fixed)
    return text


def _spoil(rng: random.Random, document: Any, fixed: tuple[str, ...]) -> None:
    """One random place gets a bad value, disappears, or is doubled."""
    place = document
    while True:
        keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
        keys = [key for key in keys if place is not document or key not in fixed]
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and rng.random() < 0.8:
            place = place[key]
            continue
        act = rng.random()
        if act < 0.8:
            place[key] = rng.choice(BAD)
        elif act < 0.9:
            del place[key]
        elif isinstance(place, dict):
            place[f"{key}\x00"] = place[key]
        return


def _put_raw(rng: random.Random, text: bytes, fixed: tuple[str, ...]) -> bytes:
    """A text that JSON's own writer would never write, in the place of some value."""
    sacred = tuple(json.dumps(name).encode() for name in fixed)
    starts = [i for i in range(len(text)) if text[i : i + 2] == b": " and not text[:i].endswith(sacred)]
    at = rng.choice(starts) + 2
    end = min((text.find(mark, at) % (len(text) + 1) for mark in (b", ", b"}", b"]")), default=len(text))
    return text[:at] + rng.choice(RAW) + text[end:]


def _is_json(text: bytes) -> bool:
    """Whether a strict JSON parser accepts it."""
    try:
        json.loads(text.decode(), parse_constant=_refuse, object_pairs_hook=_no_doubles)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(name: str) -> None:
    raise ValueError(name)


def _no_doubles(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > len(dict(pairs)):
        raise ValueError("duplicate member")


def large(params: dict[str, Any]) -> dict[str, Any]:
    """One order carries a text of ``bytes`` bytes; the good ones are imported, with it or after its removal."""
    with world(params) as here:
        good = here.case.plain(3)
        big = {**here.case.plain(10)[9], here.case.text: "x" * params["bytes"]}
        with here.sandbox({}, [*good, big]) as sandbox:
            engine = here.engine()
            complaints = here.until_quiet(engine, 3)
            result = _check(here, engine, sandbox, good, params)
    return {**result, "errors": complaints}


def place(params: dict[str, Any]) -> dict[str, Any]:
    """One order holds ``text`` in the place of a value. Where the whole answer is refused, nothing was taken of it, and
    the next one without that order is taken."""
    with world(params) as here:
        good = here.case.plain(3)
        order = json.dumps({**here.case.plain(10)[9], here.case.text: "HERE"}).encode()
        hostile = order.replace(b'"HERE"', params["text"].encode())
        with here.sandbox({}, good) as sandbox:
            sandbox.offer([hostile])
            engine = here.engine()
            error = here.run(engine)
            if error:
                sandbox.reset()  # the source has corrected it; nothing was imported yet
            here.until_quiet(engine, 4)
            result = _check(here, engine, sandbox, good, params)
    if error and not _ours(error):
        result["faults"]["reported as"] = error
    return {**result, "error": error}

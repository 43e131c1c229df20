"""Marked people, cards and credentials go through Airflow in good and bad ways; then everything it keeps is searched.

The OMS repeats all that it is sent in its error pages. Searched are the logs, XComs, run objects, metrics and every
table of Airflow's database; and for cards and credentials also all that the package itself stores.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import airflow_home as own_airflow
from tests.support.canaries import (
    CARDS,
    EVERYTHING,
    PERSONAL_DATA,
    SECRETS,
    UNSAYABLE,
    in_database,
    in_files,
    marked,
    spoiled,
)
from tests.support.canaries import found as canaries_in
from tests.support.echoing_oms import EchoingOms, echoing_oms
from tests.support.hitl import because, found, person

SETTINGS = "\nload: {lookup_before_send: never, lease_s: 1}\n"
REVIEW = "order_review"


@pytest.fixture
def oms() -> Iterator[EchoingOms]:
    with echoing_oms(SECRETS["token"]) as server:
        yield server


@pytest.fixture
def company(make_world: Callable[..., Any], oms: EchoingOms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    world = make_world(scenario={"supercat": {"password": SECRETS["source password"]}})
    world.oms = {
        "host": f"{oms.url}/api/v2",
        "login": SECRETS["API key"],
        "password": SECRETS["client secret"],
        "extra": {"token_url": f"{oms.url}/oauthserver/oauth2/token", "connections": 2, "timeout_s": 2},
    }
    world.connect(supercat={"password": SECRETS["source password"]}, shopatron=world.oms)
    plain = (own_airflow.live_files() / "supercat_to_shopatron.yaml").read_text()
    (tmp_path / "supercat_to_shopatron.yaml").write_text(plain + SETTINGS)
    monkeypatch.setenv("ORDER_RELAY_CONFIG", str(tmp_path))
    return world


def test_neither_airflow_nor_our_stores_keep_what_they_must_not(
    company: Any,
    oms: EchoingOms,
    api: Any,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from order_relay_sandbox.supercat.generator import orders

    metrics: list[Any] = []
    for kind in ("incr", "gauge", "timing"):
        name = f"order_relay.airflow.telemetry.recording.stats.{kind}"
        monkeypatch.setattr(name, lambda *a, **kw: metrics.append((a, kw)))
    plain = [marked(made.order) for made in orders(60, 11) if made.kind == "plain"]
    runs = [*_business(company, oms, plain[:5], api), *_breakdowns(company, oms, plain[5:], monkeypatch)]

    messages = f"{runs!r} {metrics!r} {[run.xcoms for run in runs]!r} {caplog.text} {''.join(capfd.readouterr())}"
    assert len(messages) > 10_000
    assert metrics
    assert canaries_in(messages.encode(), EVERYTHING) == set()
    airflow_home = Path(os.environ["ORDER_RELAY_TEST_HOME"])
    assert in_database(airflow_home / "airflow.db", EVERYTHING) == {}
    assert in_files(airflow_home, EVERYTHING) == {}
    assert in_files(company.home, UNSAYABLE) == {}
    assert in_database(company.home / "order_relay" / "ledger.sqlite", UNSAYABLE) == {}
    batches = in_files(company.home / "order_relay" / "batches", PERSONAL_DATA)
    assert set.union(*batches.values()) == set(PERSONAL_DATA), "the archive has them: the search is no blind one"
    assert [path for path in batches if "report" in path] == []


def _business(company: Any, oms: EchoingOms, sample: list[dict[str, Any]], api: Any) -> list[Any]:
    """Imported, refused, lost, cut off and quarantined; then changed, and decided by a person."""
    good, refused, lost, cut, bad = sample
    oms.behaviour = {refused["order_number"]: "refused", lost["order_number"]: "page", cut["order_number"]: "cut"}
    company.sandbox.offer([good, refused, lost, cut, spoiled(bad)])
    runs = [company.run()]
    changed = copy.deepcopy(good)
    changed["ship_to"]["name"] = PERSONAL_DATA["contact"]
    changed["notes"] = f"{good['notes']} and {CARDS['card in payment']}"
    company.sandbox.offer([changed])
    runs.append(company.run())
    assert [run.state for run in runs] == ["success", "success"]
    assert company.states() == {"imported": 1, "rejected": 1, "in_doubt": 2, "quarantined": 1, "held": 1}
    company.change("UPDATE attempt SET sent_at = '2026-01-01 00:00:00.000000'")  # long in doubt: a person is told
    company.change("UPDATE submission SET due_at = send_before WHERE state = 'in_doubt'")
    runs += [company.run("in_doubt_sweep"), company.run(REVIEW)]
    for one in found(runs[-1]):
        held = one["conf"]["review"]["kind"] == "held"
        answer = ("discard", because("as before")) if held else ("absent", {"oms_id": "", **because("looked")})
        with person(api, answer) as someone:
            runs.append(company.run(REVIEW, **one["conf"]))
        assert canaries_in(repr(someone.seen).encode(), EVERYTHING) == set()
    assert len(runs) == 7, "one review of what changed, two of what is in doubt"
    return runs


def _breakdowns(company: Any, oms: EchoingOms, rest: list[dict[str, Any]], patch: pytest.MonkeyPatch) -> list[Any]:
    """A defect with a traceback, and refused credentials on both sides."""
    runs = []
    company.sandbox.offer(rest[:1])
    with patch.context() as for_now:
        for_now.setattr("order_relay.orders.payload.transformer.Transformer.transform", _explode)
        runs.append(company.run())
    oms.refuse_login = True
    runs.append(company.run())
    company.connect(supercat={"password": SECRETS["wrong password"]}, shopatron=company.oms)
    runs.append(company.run())
    assert [run.state for run in runs] == ["failed"] * 3
    return runs


def _explode(self: Any, documents: Any, *more: Any) -> Any:
    """As those errors do that quote what they choked on."""
    try:
        int(PERSONAL_DATA["phone"])
    except ValueError as cause:
        raise KeyError(f"{PERSONAL_DATA['name']} in {list(documents)!r}") from cause

"""Canary personal data, cards and credentials pass through successful and failing runs; then all output is searched.

Personal data may appear in archive and ledger only, cards and credentials nowhere.
"""

from __future__ import annotations

import copy
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from order_relay.connections import Connection
from order_relay.errors import ConfigurationError
from order_relay.orders.messages import RunContext
from order_relay.pipeline.operators.correctable_orders import OrderCorrections
from order_relay_sandbox import ThreadedSandbox, serve_in_thread
from order_relay_sandbox.supercat.generator import orders
from tests.support.canaries import (
    CARDS,
    EVERYTHING,
    PERSONAL_DATA,
    SECRETS,
    UNSAYABLE,
    found,
    in_database,
    in_files,
    marked,
    spoiled,
)
from tests.support.echoing_oms import EchoingOms, echoing_oms
from tests.support.engine import PIPELINE, Engine


@pytest.fixture
def oms() -> Iterator[EchoingOms]:
    with echoing_oms(SECRETS["token"]) as server:
        yield server


@pytest.fixture
def shop() -> Iterator[ThreadedSandbox]:
    with serve_in_thread({"supercat": {"password": SECRETS["source password"]}}) as vendors:
        yield vendors


@pytest.fixture
def engine(shop: ThreadedSandbox, oms: EchoingOms, tmp_path: Path) -> Iterator[Engine]:
    extra = {
        "token_url": f"{oms.url}/oauthserver/oauth2/token",
        "manufacturer_id": 1042,
        "catalog_id": 0,
        "timeout_s": 2.0,
        "connections": 2,
        "visible_after_s": 0.0,
    }
    made = Engine(
        tmp_path,
        {
            "supercat_default": Connection(
                "supercat_default",
                host=shop.url,
                login="demo",
                password=SECRETS["source password"],
                extra={"org": "demo"},
            ),
            "shopatron_default": Connection(
                "shopatron_default", f"{oms.url}/api/v2", SECRETS["API key"], SECRETS["client secret"], extra=extra
            ),
        },
        load_options={"lookup_before_send": "never", "lease_s": 1.0},
    )
    yield made
    made.wiring.close()


@pytest.fixture
def sample() -> list[dict[str, Any]]:
    plain = [made.order for made in orders(60, 11) if made.kind == "plain"]
    return [marked(order) for order in plain[:7]]


def test_every_ending_keeps_its_mouth_shut(
    engine: Engine,
    shop: ThreadedSandbox,
    oms: EchoingOms,
    sample: list[dict[str, Any]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    good, refused, lost, cut, bad, crash, late = sample
    oms.behaviour = {refused["order_number"]: "refused", lost["order_number"]: "page", cut["order_number"]: "cut"}
    shop.offer([good, refused, lost, cut, spoiled(bad)])
    outputs = [engine.run("first").text]
    changed = copy.deepcopy(good)
    changed["notes"] = f"{good['notes']}, or call {PERSONAL_DATA['contact']}"
    shop.offer([changed])
    outputs.append(engine.run("second").text)
    assert engine.states()[str(good["id"])] == "held"
    assert engine.states()[str(refused["id"])] == "rejected"
    assert {engine.states()[str(order["id"])] for order in (lost, cut)} == {"in_doubt"}
    assert engine.states()[str(bad["id"])] == "quarantined"

    outputs += _correct(engine)
    shop.offer([crash])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("order_relay.http.sending.outcomes.OutcomeTable.classify", _explode)
        outputs.append(engine.run("third").text)
    oms.refuse_login = True
    shop.offer([late])
    with pytest.raises(ConfigurationError) as refusal:
        _load(engine, "fourth")
    outputs += traceback.format_exception(refusal.value)

    outputs += [caplog.text, *capfd.readouterr()]
    assert found("\n".join(outputs).encode(), EVERYTHING) == set()
    assert in_files(tmp_path, UNSAYABLE) == {}
    assert in_database(tmp_path / "ledger.sqlite", UNSAYABLE) == {}
    reports = [path for path in tmp_path.rglob("*") if path.is_file() and "report" in path.name]
    assert reports
    assert {path.name: found(path.read_bytes(), EVERYTHING) for path in reports} == {p.name: set() for p in reports}
    of_runs = {
        place: names
        for place, names in in_database(tmp_path / "ledger.sqlite", PERSONAL_DATA).items()
        if place.partition(".")[0] not in ("submission", "attempt", "correction")
    }
    assert of_runs == {}, "what the ledger says about runs, moves and refusals names nobody"


def test_the_archive_holds_personal_data_and_the_search_finds_it(
    engine: Engine, shop: ThreadedSandbox, sample: list[dict[str, Any]], tmp_path: Path
) -> None:
    """A search that could find nothing at all would be satisfied with everything."""
    shop.offer(sample[:1])
    engine.run("first")
    assert engine.states() == {str(sample[0]["id"]): "imported"}
    assert set.union(*in_files(tmp_path / "batches", PERSONAL_DATA).values()) == set(PERSONAL_DATA)


def _correct(engine: Engine) -> list[str]:
    """What is said of corrections: one that is stored, and refused ones."""
    outputs = []
    (refused,) = (row["id"] for row in engine.ledger.queries.quarantined() if row["state"] == "rejected")
    mine = OrderCorrections(engine.ledger, engine.wiring.store, engine.wiring.transformer)
    ctx = RunContext(PIPELINE, "", "ann")
    outputs += [repr(mine.open(refused)), str(engine.ledger.worklist.get([refused]))]
    name = "Nikolaus " + PERSONAL_DATA["name"]
    for field, value in (
        ("ship_country", PERSONAL_DATA["e-mail"]),
        ("requested_ship_date", PERSONAL_DATA["street"]),
        ("ship_phone", f"{PERSONAL_DATA['phone']}\a"),
        ("notes", f"{PERSONAL_DATA['note']} {CARDS['card in notes']}"),
        ("total", PERSONAL_DATA["contact"]),
        ("ship_name", name),
    ):
        (work,) = engine.ledger.worklist.get([refused])
        try:
            done = mine.correct(ctx, refused, revision=work.revision, values={field: value}, why="customer phoned")
            outputs.append(repr(done))
        except ConfigurationError as error:
            outputs += traceback.format_exception(error)
    assert [one.new for one in engine.ledger.corrections.of([refused])[refused]] == [name]
    return [*outputs, *(text for row in engine.ledger.activity.of_submission(refused) for text in map(str, row))]


def _explode(table: object, status: int, headers: object, body: bytes, **more: object) -> Any:
    """A defect whose words quote what it choked on, as those of ``int()`` and of dictionaries do."""
    raise ValueError(f"cannot read {body.decode()} of {PERSONAL_DATA['name']}, paid with {CARDS['card in notes']}")


def _load(engine: Engine, run: str) -> None:
    ctx = RunContext(PIPELINE, run)
    for chunk in engine.prepare(ctx, engine.extract(ctx)):
        engine.load(ctx, chunk)

"""Deciding, settling, replaying and discarding by command, on a real ledger and archive."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from order_relay.airflow.installation import Installation
from order_relay.batches import BatchStore, BatchWriter
from order_relay.cli import app as app_module
from order_relay.errors import ConcurrentUpdateError, ConfigurationError, IllegalTransitionError, ValidationIssue
from order_relay.ledger import AttemptResult, BatchInfo, Ledger, ReadyPayload
from order_relay.orders.identity.source_identity import IdentityPaths, identify
from order_relay.orders.json_text import encode
from order_relay.orders.messages import RunContext, SendOutcome, SendResult
from order_relay.vendors.supercat.vendor import VENDOR
from order_relay_sandbox.supercat import generator
from tests.support.archived_orders import CONNECTIONS

PIPELINE = "supercat_to_shopatron"
CTX = RunContext(PIPELINE, "run-1")
BAD = [ValidationIssue("total_differs", "/total", "the totals do not add up")]
Call = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path) -> BatchStore:
    return BatchStore(tmp_path.as_uri())


@pytest.fixture
def ledger(sqlite_url: str, store: BatchStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setattr(Installation, "ledger_url", sqlite_url)
    monkeypatch.setattr(Installation, "store", store)
    monkeypatch.setattr(Installation, "store_url", store.url)
    monkeypatch.setattr(Installation, "connection", lambda self, conn_id: CONNECTIONS[conn_id])
    opened = Ledger.open(sqlite_url)
    opened.runs.bind(PIPELINE, "supercat:https://shop.example/demo", "shopatron:https://oms.example/1")
    opened.runs.begin(CTX, "run", 0)
    yield opened
    assert opened.accounting.invariant_violations() == []
    opened.close()


def receive(ledger: Ledger, store: BatchStore, *documents: dict[str, Any]) -> list[int]:
    """Archive and take in; the ledger's ids of what was new."""
    paths = IdentityPaths.from_mapping(VENDOR.format().mapping["identity"])
    before = {work.id for work in ledger.worklist.get(range(1, 100))}
    name = f"b{len(ledger.accounting.batches(PIPELINE))}"
    writer = BatchWriter(store, PIPELINE, name)
    rows = []
    for document in documents:
        part, row = writer.add(encode(document))
        rows.append({**identify(document, paths), "part": part, "row": row})
    manifest = writer.close([row["source_id"] for row in rows])
    frame = pd.DataFrame(rows)
    for column in ("suffix", "items"):
        frame[column] = pd.Series([row[column] for row in rows], dtype=object)
    ledger.intake.receive(CTX, BatchInfo(name, manifest.name, len(rows), datetime.now(UTC)), frame, "t")
    return [work.id for work in ledger.worklist.get(range(1, 100)) if work.id not in before]


def good(number: int) -> list[dict[str, Any]]:
    return [made.order for made in generator.orders(60, 3) if made.kind == "plain"][:number]


def send(ledger: Ledger, number: int, key: str, answer: SendResult) -> None:
    work = ledger.worklist.get([number])[0]
    assert ledger.payloads.make_ready(CTX, [ReadyPayload(number, work.revision, key, "p", 0, "f", "t", 100, "USD")])[
        0
    ] == [number]
    claim = ledger.claims.claim(CTX, [number], "test", 30)[number]
    assert ledger.outcomes.record(CTX, [AttemptResult(number, claim.attempt, answer)]) == {}


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app_module.app, list(arguments))


def as_json(*arguments: str, code: int = 0) -> Any:
    result = call(*arguments, "--json")
    assert result.exit_code == code, (result.output, result.exception)
    return json.loads(result.stdout)


@pytest.fixture
def changed(ledger: Ledger, store: BatchStore) -> str:
    """An order number: imported, then offered with another quantity, another name and another note."""
    (order,) = good(1)
    number = order["order_number"]
    send(ledger, receive(ledger, store, order)[0], number, SendResult(SendOutcome.IMPORTED, 201, oms_id="901"))
    new = json.loads(json.dumps(order, default=str))
    new["items"][0]["quantity"] = 777
    new["bill_to"]["name"] = new["notes"] = "Marked Person"
    assert len(receive(ledger, store, new)) == 1
    return str(number)


def test_held_shows_the_differences_without_personal_data(changed: str) -> None:
    (review,) = as_json("held", changed)["reviews"]
    (line,) = [line for detail in review["details"] for line in detail["lines"] if line["kind"] == "changed"]
    assert line["changes"][0]["now"] == "777"
    assert set(review["details"][0]["hidden"]) >= {"bill name", "notes"}
    out = call("held", changed).stdout
    for text in ("777", "901", "bill name", "--confirm-cancelled", f"--shown {review['shown_ids'][0]}"):
        assert text in out
    assert "Marked" not in out + json.dumps(review)


def test_held_of_an_unknown_number_is_a_problem(changed: str) -> None:
    assert as_json("held", "nobody", code=1) == {"found": 0, "reviews": []}
    assert "is held; list held orders" in call("held", "nobody").stdout


def test_decide_writes_who_and_why(ledger: Ledger, changed: str) -> None:
    answer = as_json("decide", changed, "separate", "--reason", "second order", "--who", "ann")
    event = ledger.queries.find(changed)[-1]["events"][-1]
    assert (event["who"], event["why"]) == ("ann", "separate: second order")
    assert answer["decided"] == [ledger.queries.find(changed)[-1]["id"]]


def test_who_is_the_users_name_where_it_is_not_given(ledger: Ledger, changed: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "bob")
    assert "by bob" in call("decide", changed, "discard", "--reason", "x").stdout
    assert ledger.queries.find(changed)[-1]["state"] == "discarded"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("decide", "N", "replacement", "--reason", "x"), IllegalTransitionError),
        (("decide", "N", "discard", "--reason", " "), ConfigurationError),
        (("decide", "N", "discard", "--reason", "x", "--who", " "), ConfigurationError),
        (("decide", "N", "discard", "--reason", "x", "--shown", "12,x"), ConfigurationError),
        (("decide", "N", "discard", "--reason", "x", "--shown", "1"), ConcurrentUpdateError),
        (("decide", "other", "discard", "--reason", "x"), IllegalTransitionError),
        (("settle", "N", "--reason", "x"), ConfigurationError),
        (("settle", "N", "--reason", "x", "--absent", "--stored", "1"), ConfigurationError),
        (("settle", "N", "--reason", "x", "--absent"), IllegalTransitionError),
        (("replay", "--reason", "x"), ConfigurationError),
        (("discard", "--reason", "x", "--since", "yesterday"), ConfigurationError),
    ],
)
def test_wrong_use_changes_nothing(ledger: Ledger, changed: str, arguments: tuple[str, ...], error: type) -> None:
    before = [life["state"] for life in ledger.queries.find(changed)]
    result = call(*[changed if word == "N" else word for word in arguments])
    assert isinstance(result.exception, error), result.output
    assert [life["state"] for life in ledger.queries.find(changed)] == before


def test_a_replacement_is_confirmed(ledger: Ledger, changed: str) -> None:
    as_json("decide", changed, "replacement", "--reason", "x", "--confirm-cancelled")
    assert "901" in ledger.queries.find(changed)[-1]["events"][-1]["why"]


@pytest.mark.parametrize(("option", "state"), [(("--stored", "902"), "imported"), (("--absent",), "ready")])
def test_settle(ledger: Ledger, store: BatchStore, option: tuple[str, ...], state: str) -> None:
    (order,) = good(1)
    send(ledger, receive(ledger, store, order)[0], "K", SendResult(SendOutcome.IN_DOUBT, 504))
    answer = as_json("settle", order["order_number"], *option, "--reason", "called", "--who", "ann")
    assert answer["state"] == state
    life = ledger.queries.find(order["order_number"])[0]
    assert (life["state"], life["events"][-1]["who"]) == (state, "ann")


@pytest.fixture
def stopped(ledger: Ledger, store: BatchStore) -> list[str]:
    """Four order numbers: quarantined although clean now, broken and quarantined, rejected, received."""
    orders = json.loads(json.dumps(good(4), default=str))
    orders[1]["total"] = "1.00"
    ids = receive(ledger, store, *orders)
    works = ledger.worklist.get(ids)
    ledger.validation.quarantine(CTX, [(work, BAD) for work in works[:2]])
    send(ledger, ids[2], "K", SendResult(SendOutcome.REJECTED, 400))
    return [order["order_number"] for order in orders]


def states(ledger: Ledger, numbers: list[str]) -> list[str]:
    return [ledger.queries.find(number)[0]["state"] for number in numbers]


def test_replay_takes_valid_orders_and_explains_the_others(ledger: Ledger, stopped: list[str]) -> None:
    shown = as_json("replay", "--all", "--reason", "mapping mended", "--dry-run")
    assert (shown["chosen"], shown["replayed"]) == (3, 2)
    assert states(ledger, stopped) == ["quarantined", "quarantined", "rejected", "received"]
    done = as_json("replay", "--all", "--reason", "mapping mended", "--who", "ann")
    assert (done["chosen"], done["replayed"]) == (3, 2)
    assert {row["order_number"] for row in done["still"]} == {stopped[1]}
    assert all(row["code"] and row["message"] for row in done["still"])
    assert states(ledger, stopped) == ["received", "quarantined", "received", "received"]
    assert ledger.queries.find(stopped[0])[0]["events"][-1]["why"] == "replay: mapping mended"


def test_replay_as_text(stopped: list[str]) -> None:
    out = call("replay", *stopped, "--reason", "x").stdout
    assert "3 chosen, 2 continue with the next run, 1 still refused" in out
    assert stopped[1] in out


@pytest.mark.parametrize(
    ("which", "done"),
    [
        (("--code", "total_differs"), 2),
        (("--code", "http_400"), 1),
        (("--code", "total_mismatch"), 0),
        (("--all",), 3),
        (("--since", "2020-01-01"), 3),
        (("--since", "2999-01-01"), 0),
        (("--all", "--pipeline", "cloudsuite_to_shopatron"), 0),
    ],
)
def test_discard_is_narrowed(ledger: Ledger, stopped: list[str], which: tuple[str, ...], done: int) -> None:
    assert as_json("discard", *which, "--reason", "x", "--dry-run")["discarded"] == done
    assert "discarded" not in states(ledger, stopped)
    assert as_json("discard", *which, "--reason", "x")["discarded"] == done
    assert states(ledger, stopped).count("discarded") == done


def test_bulk_orders_are_bounded(ledger: Ledger, stopped: list[str]) -> None:
    for command in ("replay", "discard"):
        result = call(command, "--all", "--reason", "x", "--most", "2")
        assert "more than --most 2" in str(result.exception)
    assert as_json("discard", stopped[0], "--reason", "x", "--most", "1")["discarded"] == 1
    assert states(ledger, stopped)[:2] == ["discarded", "quarantined"]


def test_replay_discard_and_held_take_a_web_shops_reference(ledger: Ledger, store: BatchStore) -> None:
    first, second, third = receive(ledger, store, *good(3))
    for number in (first, second):
        ledger.validation.quarantine(CTX, [(work, BAD) for work in ledger.worklist.get([number])])
    with ledger.database.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE submission SET reference = 'CS' || id, order_number = '1-CS' || id")
    shown = json.loads(CliRunner().invoke(app_module.app, ["quarantine", "--number", f"CS{first}", "--json"]).stdout)
    assert {row["id"] for row in shown["rows"]} == {first}
    found: tuple[str, ...] = ("discard", f"CS{second}", "--reason", "x", "--json")
    assert json.loads(CliRunner().invoke(app_module.app, found).stdout)["discarded"] == 1
    found = ("replay", f"CS{first}", "--reason", "x", "--json", "--dry-run")
    assert json.loads(CliRunner().invoke(app_module.app, found).stdout)["chosen"] == 1
    assert [work.state for work in ledger.worklist.get([first, second, third])] == [
        "quarantined",
        "discarded",
        "received",
    ]

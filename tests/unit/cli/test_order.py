"""The `order` command: search, history, payload."""

from __future__ import annotations

import pytest

from order_relay.ledger import Ledger
from tests.support.command_line import PAYLOAD, as_json, call


@pytest.mark.parametrize("word", ["N-1", "1", "L1", "901", "PO Marked"])
def test_an_order_is_found_by_each_of_its_names(ledger: Ledger, word: str) -> None:
    lives = as_json("order", word)["submissions"]
    life = next(life for life in lives if life["source_id"] == "1")
    assert [event["to_state"] for event in life["events"]] == ["received", "ready", "sending", "imported"]
    assert life["attempts"][0]["oms_id"] == "901"
    assert life["ack"] == "confirmed"


def test_without_payload_no_personal_data_is_shown(ledger: Ledger) -> None:
    for output in (call("order", "N-1").stdout, call("order", "N-1", "--json").stdout):
        assert "Marked" not in output


def test_with_payload_the_very_bytes_are_shown(ledger: Ledger) -> None:
    life = as_json("order", "N-1", "--payload")["submissions"][0]
    assert life["attempts"][0]["payload"].encode() == PAYLOAD
    assert life["attempts"][0]["body"] == '{"orderID": 901, "said": "Marked"}'
    out = call("order", "N-1", "--payload").stdout
    assert PAYLOAD.decode() in out
    assert '"said": "Marked"' in out


def test_reasons_are_shown_in_an_orders_history(ledger: Ledger) -> None:
    out = call("order", "N-2").stdout
    assert "the totals do not add up" in out


def test_progress_and_problems_are_those_of_the_order_desk(ledger: Ledger) -> None:
    (life,) = as_json("order", "N-2")["submissions"]
    assert [(step["name"], step["status"]) for step in life["progress"][:2]] == [
        ("received", "done"),
        ("checked", "failed"),
    ]
    (problem,) = life["problems"]
    assert (problem["code"], problem["places"]) == (
        "total_differs",
        [{"message": "the totals do not add up", "pointer": "/total"}],
    )
    shown = call("order", "N-2").stdout
    assert "failed" in shown
    problem_lines = shown[shown.index("problem: ") : shown.index("\nprogress")].splitlines()
    assert "  the totals do not add up /total" in problem_lines
    assert any(line.startswith("  Next step (") for line in problem_lines)
    assert max(map(len, problem_lines)) <= 80


def test_an_unknown_order_is_a_problem(ledger: Ledger) -> None:
    assert as_json("order", "nobody", code=1) == {"found": 0, "submissions": []}
    assert call("order", "nobody").exit_code == 1

"""Our fields in JSON log lines, and one line for each order that a run stopped."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from order_relay.airflow.telemetry import structured_logs
from order_relay.orders.messages import RunContext
from order_relay.pipeline.report.model import LedgerCounts
from order_relay.pipeline.report.report import RenderedReport

RUN = RunContext("p", "r1")


@pytest.fixture(autouse=True)
def _unbound() -> Iterator[None]:
    structlog.contextvars.clear_contextvars()
    yield
    structlog.contextvars.clear_contextvars()


def test_lines_of_the_engine_have_the_fields_of_the_run() -> None:
    """With the processors that Airflow applies to other loggers than its own."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    json_line = structlog.processors.JSONRenderer()
    before = [structlog.contextvars.merge_contextvars]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=json_line, foreign_pre_chain=before))
    engine = logging.getLogger("order_relay.test_structured_logs")
    engine.addHandler(handler)
    try:
        structured_logs.bind_run("p", "r1", "live", "p/batches/b1")
        engine.warning("%d orders", 3)
    finally:
        engine.removeHandler(handler)
    assert json.loads(out.getvalue()) == {
        "event": "3 orders",
        "order_relay_pipeline": "p",
        "order_relay_run": "r1",
        "order_relay_mode": "live",
        "order_relay_batch": "p/batches/b1",
    }


def report(**states: int) -> RenderedReport:
    return RenderedReport("", "", {}, [], this_run=LedgerCounts(sum(states.values()), states))


class FakeLedger:
    """A list of one order."""

    class order_list:
        @staticmethod
        def page(found: Any, sort: Any, limit: int) -> Any:
            assert (found.pipelines, found.run, limit) == ({"p"}, "r1", structured_logs.MOST_ORDERS)
            assert "imported" not in found.states
            return SimpleNamespace(rows=[{"order_number": "N1", "state": "held", "reason": "changed"}])


def test_each_stopped_order_has_a_line() -> None:
    with capture_logs() as lines:
        structured_logs.stopped_orders(RUN, FakeLedger(), report(imported=3, held=1))  # type: ignore[arg-type]
    assert lines == [
        {
            "event": "order stopped",
            "order_number": "N1",
            "state": "held",
            "reason": "changed",
            "log_level": "info",
        }
    ]


def test_a_run_that_stopped_nothing_asks_for_nothing() -> None:
    with capture_logs() as lines:
        structured_logs.stopped_orders(RUN, None, report(imported=3))  # type: ignore[arg-type]
    assert lines == []

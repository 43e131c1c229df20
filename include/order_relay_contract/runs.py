"""Whole runs of each pipeline between two stand-ins: every order once, with its total, and nothing again."""

from __future__ import annotations

from typing import Any

import pytest

from order_relay_contract.support.pipeline_account import PipelineAccount
from order_relay_contract.support.sandboxes import ORDERS

QUIET: dict[str, Any] = {
    "doubled": [],
    "versions_doubled": [],
    "missing": [],
    "lost": [],
    "acknowledged_early": [],
    "unexpected": [],
    "totals_differ": {},
}
"""The findings of an audit in which nothing is wrong."""

LOST = ("504", "cut", "cut_body", "502")
"""How the responses of the first requests are lost, one after the other. Another order is imported: a search is trusted
only if it finds a known order."""


class TestRuns:
    """Runs with an audit by the sandbox, which shares no code with the engine."""

    def test_one_run_moves_every_order(self, pipeline: PipelineAccount) -> None:
        assert pipeline.run() == ""
        self.check(pipeline)

    def test_a_second_run_sends_and_acknowledges_nothing(self, pipeline: PipelineAccount) -> None:
        pipeline.run()
        pipeline.spoil(pipeline.pair.source, {"purpose": "acknowledge", "answer": "ok"})
        pipeline.spoil(pipeline.pair.destination, {"purpose": "import", "answer": "ok"})
        assert pipeline.run() == ""
        assert (pipeline.requests(pipeline.pair.source), pipeline.requests(pipeline.pair.destination)) == ({}, {})
        self.check(pipeline)

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("search_by", ["auto", "none"])
    def test_lost_responses_of_the_destination(self, pipeline: PipelineAccount, when: str, search_by: str) -> None:
        pipeline.fields["search_by"] = search_by
        rules = [
            {"purpose": "import", "answer": answer, "when": when, "after": number, "first": 1}
            for number, answer in enumerate(LOST)
        ]
        pipeline.spoil(pipeline.pair.destination, *rules)
        pipeline.run()
        assert pipeline.states == {"in_doubt": len(LOST), "imported": ORDERS - len(LOST)}
        pipeline.spoil(pipeline.pair.destination)
        for _ in range(4):
            pipeline.let_time_pass()
            pipeline.run()
        if pipeline.wiring.destination.search_by != "none" or pipeline.wiring.destination.idempotent:
            self.check(pipeline)
        else:
            assert pipeline.states["in_doubt"] == len(LOST), "an operator settles them"
            found = {name: pipeline.audit[name] for name in QUIET if name != "missing"}
            assert found == {name: quiet for name, quiet in QUIET.items() if name != "missing"}

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_lost_responses_of_the_source(self, pipeline: PipelineAccount, when: str) -> None:
        rules = [
            {"purpose": "acknowledge", "answer": answer, "when": when, "after": number, "first": 1}
            for number, answer in enumerate(LOST)
        ]
        pipeline.spoil(pipeline.pair.source, *rules)
        pipeline.spoil(pipeline.pair.destination, {"purpose": "import", "answer": "ok"})
        for _ in range(8):
            pipeline.run()
            pipeline.let_time_pass()
        assert pipeline.requests(pipeline.pair.destination) == {"after import: ok": ORDERS}
        self.check(pipeline)

    @staticmethod
    def check(pipeline: PipelineAccount) -> None:
        """Every order was imported once and is acknowledged."""
        audit = pipeline.audit
        assert {name: audit[name] for name in QUIET} == QUIET
        assert (pipeline.states, len(audit["acknowledged"])) == ({"imported": ORDERS}, ORDERS)

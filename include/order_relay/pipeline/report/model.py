"""What a report is made of: counts of the ledger, times of the stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from order_relay.ledger.schema.records import OverdueOrders


@dataclass(frozen=True)
class StageTime:
    """How long one stage took (seconds) and how many records it handed on."""

    name: str
    seconds: float
    records: int = 0


@dataclass(frozen=True)
class LedgerCounts:
    """What the ledger says, of a whole pipeline or of one run."""

    received: int = 0
    states: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[tuple[str, str], int] = field(default_factory=dict)
    acknowledged: int = 0

    @classmethod
    def of(cls, counts: Mapping[str, Any]) -> LedgerCounts:
        """From ``Ledger.counts``."""
        return cls(
            received=counts["received"],
            states={str(state): number for state, number in counts["states"].items() if number},
            reasons={(str(state), str(why)): number for (state, why), number in counts["reasons"].items() if number},
            acknowledged=counts["acknowledged"],
        )


@dataclass(frozen=True)
class ImportRemark:
    """An order that the OMS imported while it also named an error: the order's number, its OMS id, the OMS's words."""

    order_number: str
    oms_id: str
    text: str


@dataclass(frozen=True)
class RunReport:
    """Everything that the report shows. ``shadow``: counts of a shadow run, which sends nothing. ``remarks`` holds the
    OMS's own words, which may quote an order: they go into the batch store, never into a log. ``causes``: why tasks
    failed, by task, where that is known."""

    pipeline: str
    run: str
    whole: LedgerCounts
    this_run: LedgerCounts
    stages: tuple[StageTime, ...] = ()
    notes: Mapping[str, int] = field(default_factory=dict)
    breaches: tuple[str, ...] = ()
    failed_tasks: tuple[str, ...] = ()
    causes: Mapping[str, str] = field(default_factory=dict)
    checked_batches: int = 0
    warnings: tuple[str, ...] = ()
    shadow: Mapping[str, int] | None = None
    tasks: tuple[OverdueOrders, ...] = ()  # what write-back leaves to operators
    remarks: tuple[ImportRemark, ...] = ()

    @property
    def seconds(self) -> float:
        """The sum of the stages' times; stages run one after the other."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def orders_per_s(self) -> float:
        """Submissions that this run received per second of its stages; 0 where nothing was measured."""
        return self.this_run.received / self.seconds if self.seconds else 0.0

"""The data of a run report: counts of the ledger, durations of the stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from order_relay.ledger.schema.records import OverdueOrders
from order_relay.ledger.write_back.operator_tasks import WriteBackCount


@dataclass(frozen=True)
class StageTime:
    """Duration of one stage in seconds, and how many records it passed on."""

    name: str
    seconds: float
    records: int = 0


@dataclass(frozen=True)
class LedgerCounts:
    """Counts of the ledger, for a whole pipeline or for one run. ``reasons`` by state and reason code."""

    received: int = 0
    states: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[tuple[str, str], int] = field(default_factory=dict)
    acknowledged: int = 0

    @classmethod
    def of(cls, counts: Mapping[str, Any]) -> LedgerCounts:
        """From ``Accounting.counts``."""
        return cls(
            received=counts["received"],
            states={str(state): number for state, number in counts["states"].items() if number},
            reasons={(str(state), str(reason)): n for (state, reason), n in counts["reasons"].items() if n},
            acknowledged=counts["acknowledged"],
        )


@dataclass(frozen=True)
class ImportRemark:
    """An order that the OMS imported although it reported an error. ``text`` is the OMS's answer."""

    order_number: str
    oms_id: str
    text: str


@dataclass(frozen=True)
class RunReport:
    """The contents of a report.

    ``shadow``: counts of a shadow run, which sends nothing. ``remarks`` contain the OMS's answers, which may quote an
    order: they belong in the batch store, never in a log. ``causes``: why tasks failed, by task, if known. ``tasks``:
    what write-back leaves to operators. ``write_back``: its steps that are not done. ``oms``: orders that the OMS is
    still asked about, by our reading of their status (empty: no answer yet).
    """

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
    write_back: tuple[WriteBackCount, ...] = ()
    oms: Mapping[str, int] = field(default_factory=dict)
    tasks: tuple[OverdueOrders, ...] = ()
    remarks: tuple[ImportRemark, ...] = ()

    @property
    def seconds(self) -> float:
        """Total duration; the stages run one after the other."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def orders_per_s(self) -> float:
        """Submissions received per second; 0 if nothing was measured."""
        return self.this_run.received / self.seconds if self.seconds else 0.0

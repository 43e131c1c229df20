"""An account at the simulated vendor, with a ledger and a batch store of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from order_relay.connections import Connection
from order_relay.ledger import Ledger
from order_relay.ledger.fulfilment.status_merge import StoredStatuses
from order_relay.orders.fulfilment.status_events import Channel
from order_relay.orders.fulfilment.status_records import StatusPage, parse_records
from order_relay.orders.messages import RunContext
from order_relay.pipeline.fulfilment.status_poll import StatusIntake, poll_changes, read_due
from order_relay.pipeline.settings.status_account import ByIdSettings, PollSettings, StatusSettings
from order_relay.wiring.statuses import StatusWiring
from order_relay_sandbox import ThreadedSandbox, serve_in_thread
from tests.support.status_histories import derive_state

ACCOUNT = "acommerce_status"


def connection(url: str, **extra: Any) -> Connection:
    """The connection of the sandbox's account."""
    settings = {"channel": "demo-channel", "auth_url": url, "hook_secret": "hush", "timeout_s": 5.0, **extra}
    return Connection("acommerce_default", url, "demo-user", "demo-api-key", extra=settings)


@dataclass
class Account:
    """What a run of the account works on."""

    sandbox: ThreadedSandbox
    wiring: StatusWiring
    poll_settings: PollSettings = field(default_factory=lambda: PollSettings(overlap_s=0.0))

    @property
    def ledger(self) -> Ledger:
        return self.wiring.ledger

    @property
    def intake(self) -> StatusIntake:
        return StatusIntake(RunContext(ACCOUNT, "run-1"), self.ledger, self.wiring.reader)

    def poll(self, **changes: Any) -> StoredStatuses:
        settings = self.poll_settings.model_copy(update=changes)
        return poll_changes(self.intake, self.wiring.source, settings, datetime.now(UTC))

    def read_due(self, **changes: Any) -> StoredStatuses:
        return read_due(self.intake, self.wiring.source, ByIdSettings(**changes))

    def states(self) -> dict[str, tuple[Any, ...]]:
        """What the ledger derives, by order."""
        rows = self.ledger.statuses.recent(most=100_000)
        return {r["order_number"]: (r["order_status"], r["detailed_status"], tuple(r["parcels"])) for r in rows}

    def expected(self) -> dict[str, tuple[Any, ...]]:
        """What reading every history once says, now."""
        page = StatusPage(tuple(self.sandbox.status_records()), datetime.now(UTC) + timedelta(days=1))
        found = parse_records(self.wiring.reader.shape, page.records, Channel.BY_ID, page.asked_at, full=True)
        states = {report.order_id: derive_state(report.events) for report in found.reports}
        return {
            number: (s.order_status, s.detailed_status, tuple((p.parcel, p.status, p.at) for p in s.parcels))
            for number, s in states.items()
        }


@pytest.fixture
def account(sqlite_url: str, tmp_path: Path) -> Iterator[Callable[..., Account]]:
    """A function that makes an account at a sandbox with these switches; ``connect``: further connection fields."""
    open_ones: list[Any] = []

    def make(connect: dict[str, Any] | None = None, config: dict[str, Any] | None = None, **switches: Any) -> Account:
        served = serve_in_thread({"acommerce": switches})
        sandbox = served.__enter__()
        open_ones.append(lambda: served.__exit__(None, None, None))
        settings = StatusSettings.model_validate(
            {
                "name": ACCOUNT,
                "source": {"vendor": "acommerce", "connection": "acommerce_default"},
                **(config or {}),
            }
        )
        found = connection(sandbox.url, **(connect or {}))
        wiring = StatusWiring(settings, lambda _name: found, sqlite_url, tmp_path.as_uri())
        open_ones.append(wiring.close)
        return Account(sandbox, wiring)

    yield make
    for close in reversed(open_ones):
        close()

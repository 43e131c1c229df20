"""The sample vendors are found as in a team's own Airflow; fixtures for runs against their stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from order_relay.connections import Connection
from order_relay_sandbox import ThreadedSandbox, serve_in_thread
from tests.support.engine import Engine
from tests.vendors.sample import installed

FAST = {"requests_per_minute": 0, "timeout_s": 2.0}


@pytest.fixture(autouse=True)
def _installed() -> Iterator[None]:
    with installed():
        yield


class Trial:
    """One pipeline between two stand-ins."""

    def __init__(self, sandbox: ThreadedSandbox, engine: Engine) -> None:
        self.sandbox, self.engine = sandbox, engine
        self.source, _, self.destination = engine.pipeline.partition("_to_")
        self._runs = 0

    def run(self) -> None:
        self._runs += 1
        self.engine.run(f"run-{self._runs}")

    def audit(self) -> dict[str, Any]:
        return self.sandbox.pair(self.source, self.destination)


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Callable[..., Trial]]:
    """``trial(pipeline, orders, ledger_url=...)``: ``orders`` are a number of generated orders, or the orders."""
    with ExitStack() as stack:

        def start(pipeline: str, orders: Any = 5, ledger_url: str = "", **scenario: Any) -> Trial:
            source = pipeline.partition("_to_")[0]
            sandbox = stack.enter_context(serve_in_thread(scenario, orders, seed=3, sources=[source]))
            engine = Engine(tmp_path, connections(sandbox), ledger_url, pipeline, {"lease_s": 0.3})
            stack.callback(engine.wiring.close)
            return Trial(sandbox, engine)

        yield start


def connections(sandbox: ThreadedSandbox) -> dict[str, Connection]:
    """The connections that the sample pipelines name."""
    found = {}
    for vendor, given in sandbox.connections().items():
        for name in (f"{vendor}_default", f"{vendor}_target"):
            found[name] = Connection(name, **{**given, "extra": {**given["extra"], **FAST}})
    return found

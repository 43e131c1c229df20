"""The vendors, simulated on one port: written from their own pages, sharing nothing with the engine.

    async with running({"shopatron": {"latency_ms": 20}}, orders=300, seed=1) as sandbox:
        ...  # sandbox.url, sandbox.report()

    with serve_in_thread(orders=[{...}, {...}]) as sandbox:
        ...

By command: ``python -m order_relay_sandbox --port 0 --orders 300``. Switches and faults stand in the README.
"""

from __future__ import annotations

from order_relay_sandbox.scenario import Scenario, shipped
from order_relay_sandbox.server import Sandbox
from order_relay_sandbox.serving import ThreadedSandbox, running, serve_in_thread

__all__ = ["Sandbox", "Scenario", "ThreadedSandbox", "running", "serve_in_thread", "shipped"]

"""The vendors, simulated on one port. Written from their public pages; shares no code with the engine.

    async with running({"NAME": {"latency_ms": 20}}, orders=300, seed=1) as sandbox:
        ...  # sandbox.url, sandbox.report()

    with serve_in_thread(orders=[{...}, {...}]) as sandbox:
        ...

Command line: ``python -m order_relay_sandbox --port 0 --orders 300``. The README documents switches and faults.
"""

from __future__ import annotations

from order_relay_sandbox.discovery import stand_ins, with_role
from order_relay_sandbox.scenario import Scenario, shipped
from order_relay_sandbox.server import Sandbox
from order_relay_sandbox.serving import ThreadedSandbox, running, serve_in_thread

__all__ = ["Sandbox", "Scenario", "ThreadedSandbox", "running", "serve_in_thread", "shipped", "stand_ins", "with_role"]

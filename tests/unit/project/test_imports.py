"""What a task pays for before it works: heavy packages are imported by the stages that use them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = ("pandas", "numpy", "alembic", "jsonschema")


def test_receiving_a_batch_without_orders_does_not_import_pandas(sqlite_url: str) -> None:
    code = f"""
import sys
from datetime import UTC, datetime
from order_relay.ledger import Ledger
from order_relay.ledger.schema.records import BatchInfo
from order_relay.orders.messages import RunContext
import order_relay.pipeline.stages.extract
ledger = Ledger.open({sqlite_url!r})
ledger.runs.bind("p", "source", "destination")
ledger.intake.receive(RunContext("p", "r"), BatchInfo("b", "b", 0, datetime.now(UTC)), None, "t")
ledger.close()
print("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_task_that_opens_its_ledger_imports_neither_pandas_nor_alembic(sqlite_url: str, tmp_path: Path) -> None:
    code = f"""
import sys
import order_relay.wiring.pipeline, order_relay.pipeline.run
from order_relay.ledger import Ledger, migrate
migrate({sqlite_url!r})
Ledger.open({sqlite_url!r}).close()
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"

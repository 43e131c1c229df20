"""What a task pays for before it works: heavy packages are imported by the stages that use them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = ("pandas", "numpy", "alembic", "jsonschema")


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

"""An Airflow of the tests' own. Its settings have to stand before anything imports Airflow."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import local  # noqa: E402

if "ORDER_RELAY_TEST_HOME" not in os.environ:
    home = Path(tempfile.mkdtemp(prefix="order-relay-airflow-"))
    wanted = local.environment(home, {"ORDER_RELAY_TEST_HOME": str(home)})
    for name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
        del os.environ[name]
    os.environ.update({k: v for k, v in wanted.items() if k.startswith(("AIRFLOW_", "ORDER_RELAY_TEST"))})

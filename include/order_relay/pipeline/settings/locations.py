"""The folder of the pipeline files. Imported when DAG files are parsed: light, and without Airflow."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

CONFIG_VARIABLE = "ORDER_RELAY_CONFIG"
"""Environment variable with the folder of pipeline files; takes precedence."""

IN_AIRFLOW_HOME = Path("order_relay") / "config"


def airflow_home() -> Path:
    """``$AIRFLOW_HOME`` as Airflow itself resolves it."""
    return Path(os.path.expandvars(os.environ.get("AIRFLOW_HOME", "~/airflow"))).expanduser().absolute()


def config_folder() -> Path:
    """The folder of pipeline files, the first of these:

    1. the value of the environment variable ``ORDER_RELAY_CONFIG``, whether it exists or not;
    2. ``$AIRFLOW_HOME/order_relay/config/``, if it contains a file;
    3. ``include/config/``, if the package runs from a checkout;
    4. the packaged default files (in shadow mode).
    """
    if named := os.environ.get(CONFIG_VARIABLE):
        return Path(named)
    own = airflow_home() / IN_AIRFLOW_HOME
    if any(own.glob("*.yaml")):
        return own
    checkout = Path(__file__).resolve().parents[3]
    return checkout / "config" if checkout.name == "include" else packaged_folder()


def packaged_folder() -> Path:
    """The packaged defaults; the folder does not exist in a checkout."""
    return Path(str(resources.files("order_relay") / "default_config"))

"""Doctor's checks of Airflow: the stop switch, paused DAGs, and the provider that lineage needs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from order_relay.airflow.doctor.checks import CheckResult, fail, ok, warn
from order_relay.airflow.installation import Installation
from order_relay.errors import TransientError, missing_package
from order_relay.pipeline.report.dag_effects import MISSING_WHILE_PAUSED, NO_RUNS


def stop_switch(installation: Installation) -> Iterator[CheckResult]:
    """Whether sending is stopped; an invalid value stops everything."""
    switch = installation.stop_switch
    clear = "set the Variable order_relay_stop to 'false' to resume"
    if switch.problem:
        yield fail("stop switch", switch.problem, clear)
    elif switch.everything:
        yield warn("stop switch", "sending is stopped for all pipelines", clear)
    elif switch.pipelines:
        yield warn("stop switch", f"sending is stopped for {', '.join(sorted(switch.pipelines))}", clear)
    else:
        yield ok("stop switch", "not set: pipelines in live mode may send")


def dags(installation: Installation, in_use: Iterable[str]) -> Iterator[CheckResult]:
    """Paused DAGs among those that send nothing and those of ``in_use`` (pipelines and status accounts)."""
    try:
        paused = installation.paused_dags()
    except TransientError as error:
        advice = "check the switches in Airflow's list of DAGs"
        yield warn("DAGs", f"cannot read which DAGs are paused: {error}", advice)
        return
    wanted = {**MISSING_WHILE_PAUSED, **dict.fromkeys(in_use, NO_RUNS)}
    if not paused.keys() & wanted.keys():
        advice = "set Airflow's dags_folder to dags/ and start the DAG processor"
        yield warn("DAGs", "Airflow knows none of Order Relay's DAGs", advice)
        return
    yield ok("DAGs", f"{sum(paused.get(name) is False for name in wanted)} of {len(wanted)} are active")
    for name, missing in wanted.items():
        if name not in paused:
            advice = "check Airflow's list of DAGs for import errors"
            yield warn(f"DAG {name}", f"unknown to Airflow: {missing}", advice)
        elif paused[name]:
            advice = f"unpause it in Airflow or run: airflow dags unpause {name}"
            yield warn(f"DAG {name}", f"paused: {missing}", advice)


def lineage() -> Iterator[CheckResult]:
    """A warning if Airflow is configured to send lineage and its OpenLineage provider is missing."""
    from airflow.sdk.configuration import conf

    setting = "[openlineage] transport" if conf.get("openlineage", "transport", fallback="") else "OPENLINEAGE_URL"
    if setting == "OPENLINEAGE_URL" and not os.environ.get(setting):
        return
    try:
        import airflow.providers.openlineage  # noqa: F401
    except ImportError as error:
        problem = missing_package(setting, "apache-airflow-providers-openlineage", error, "openlineage")
        yield warn("lineage", str(problem), f"until then no lineage is sent; remove {setting} if none is wanted")

"""Doctor's checks of what Airflow itself holds back: the stop switch, and DAGs that are paused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from order_relay.cli.deployment import Installation
from order_relay.cli.doctor.checks import CheckResult, fail, ok, warn
from order_relay.errors import TransientError

WITHOUT: Mapping[str, str] = {
    "watch": "no alerts and no morning summary are sent",
    "order_review": "no reviews are opened for orders that need a decision",
    "in_doubt_sweep": "orders in doubt are only looked up by runs of their pipeline",
    "reconcile": "ledger and OMS are not compared",
    "retention": "nothing is removed, whatever the settings say",
}
"""What is missing while a DAG that sends nothing is paused."""


def stop_switch(installation: Installation) -> Iterator[CheckResult]:
    """Whether sending is stopped; a value that nobody understands stops everything."""
    switch = installation.stop_switch
    clear = "set Variable order_relay_stop to 'false' to resume"
    if switch.problem:
        yield fail("stop switch", switch.problem, clear)
    elif switch.everything:
        yield warn("stop switch", "sending is stopped for all pipelines", clear)
    elif switch.pipelines:
        yield warn("stop switch", f"sending is stopped for {', '.join(sorted(switch.pipelines))}", clear)
    else:
        yield ok("stop switch", "not set: pipelines in live mode may send")


def dags(installation: Installation, in_use: Iterable[str]) -> Iterator[CheckResult]:
    """Paused DAGs: those that are active from the start, and those of ``in_use`` (pipelines and status accounts)."""
    try:
        paused = installation.paused_dags()
    except TransientError as error:
        advice = "look at the switches in Airflow's list of DAGs"
        yield warn("DAGs", f"cannot tell which DAGs are paused: {error}", advice)
        return
    wanted = {**WITHOUT, **dict.fromkeys(in_use, "its schedule does not run")}
    if not paused.keys() & wanted.keys():
        advice = "point Airflow's DAG folder at dags/, and start the DAG processor"
        yield warn("DAGs", "Airflow knows none of Order Relay's DAGs", advice)
        return
    yield ok("DAGs", f"{sum(paused.get(name) is False for name in wanted)} of {len(wanted)} are active")
    for name, missing in wanted.items():
        if name not in paused:
            advice = "look for import errors in Airflow's list of DAGs"
            yield warn(f"DAG {name}", f"is unknown to Airflow: {missing}", advice)
        elif paused[name]:
            advice = f"unpause it in Airflow, or: airflow dags unpause {name}"
            yield warn(f"DAG {name}", f"is paused: {missing}", advice)

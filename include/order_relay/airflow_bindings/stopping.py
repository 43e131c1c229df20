"""The stop switch as Airflow holds it: the Variable ``order_relay_stop``. Light: no engine is imported."""

from __future__ import annotations

from order_relay.airflow_bindings.asking import ask_variable_strictly
from order_relay.errors import OrderRelayError
from order_relay.pipeline.settings import pipeline_files
from order_relay.pipeline.stop_switch import VARIABLE, StopSwitch, read_switch, unread_switch


def switch() -> StopSwitch:
    """The switch now. Raises ``RetryLater`` where the Variable cannot be read: whoever sends must not go on then."""
    return read_switch(ask_variable_strictly(VARIABLE) or "", pipeline_files())


def switch_or_all() -> StopSwitch:
    """The switch now; everything is stopped, with the problem named, where it cannot be read. For those who report."""
    try:
        return switch()
    except OrderRelayError as error:
        return unread_switch(str(error), _known())


def _known() -> list[str]:
    try:
        return list(pipeline_files())
    except OrderRelayError:
        return []  # where there is no folder of pipeline files, no pipeline runs

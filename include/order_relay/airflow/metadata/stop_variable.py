"""Reads the stop switch from the Variable ``order_relay_stop``. Light: does not import the engine."""

from __future__ import annotations

from order_relay.airflow.metadata.stored_values import read_variable_strictly
from order_relay.errors import OrderRelayError
from order_relay.pipeline.runs.stop_switch import VARIABLE, StopSwitch, read_switch, unreadable_switch
from order_relay.pipeline.settings.pipeline import pipeline_files


def read_stop_switch() -> StopSwitch:
    """The stop switch. Raises ``TransientError`` if the Variable cannot be read; nothing may be sent then."""
    return read_switch(read_variable_strictly(VARIABLE) or "", pipeline_files())


def read_or_stop_all() -> StopSwitch:
    """The stop switch for reports and alerts: if it cannot be read, it stops everything and names the problem."""
    try:
        return read_stop_switch()
    except OrderRelayError as error:
        return unreadable_switch(str(error), _pipeline_names())


def _pipeline_names() -> list[str]:
    try:
        return list(pipeline_files())
    except OrderRelayError:
        return []  # without a folder of pipeline files no pipeline runs

"""The stop switch in the Variable ``order_relay_stop``. Light: does not import the engine."""

from __future__ import annotations

from order_relay.airflow.metadata.stored_values import read_variable_strictly, write_variable
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


def write_stop_switch(value: str) -> None:
    """Set the Variable. Raises ``ConfigurationError`` if that would have no effect, ``TransientError`` if it fails."""
    write_variable(VARIABLE, value, "Stops sending to the OMS: true, false, or names of pipelines.")


def _pipeline_names() -> list[str]:
    try:
        return list(pipeline_files())
    except OrderRelayError:
        return []  # without a folder of pipeline files no pipeline runs

"""The hook that stands behind our connection types. Our clients do not use hooks; Airflow's connection form does."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from airflow.sdk import BaseHook

from order_relay.airflow.connections import to_connection
from order_relay.errors import OrderRelayError


class OrderRelayHook(BaseHook):
    """Checks a connection's fields for the "Test" button. It contacts nobody: one vendor locks accounts after failed
    logins, so real probes are left to ``python -m order_relay doctor``, which a person starts.
    """

    hook_name = "Order Relay"

    def __init__(self, conn_id: str = "", **_: Any) -> None:
        super().__init__()
        self.conn_id = conn_id

    def get_conn(self) -> Any:
        """Our plain value for the connection."""
        return to_connection(self.conn_id, self.get_connection(self.conn_id))

    def test_connection(self) -> tuple[bool, str]:
        """Whether the fields are complete and well-formed."""
        raw = self.get_connection(self.conn_id)
        try:
            settings = import_module(f"order_relay.vendors.{raw.conn_type}.connection")
        except ModuleNotFoundError:
            return True, "No fields to check for this type"
        try:
            settings.read_settings(to_connection(self.conn_id, raw))
        except OrderRelayError as error:
            return False, str(error)
        return True, "The fields are complete and well-formed; `python -m order_relay doctor` also contacts the vendor"

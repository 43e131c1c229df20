"""Registers Order Relay's plugin if the installed package does not do so by its entry point.

Airflow reports a plugin that is registered twice as an import error.
"""

from importlib.metadata import entry_points

if not entry_points(group="airflow.plugins", name="order_relay"):
    from order_relay.airflow import api_server

    OrderRelayPlugin = api_server.OrderRelayPlugin

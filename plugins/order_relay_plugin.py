"""Order Relay on Airflow's API server: the endpoints that vendors call.

Airflow's own pages and their login stay as they are.
"""

from airflow.plugins_manager import AirflowPlugin

from order_relay.airflow.api_server import fastapi_apps


class OrderRelayPlugin(AirflowPlugin):
    """``/shiprush/orders`` and ``/acommerce/events``; each endpoint asks for credentials of its own."""

    name = "order_relay"
    fastapi_apps = fastapi_apps()

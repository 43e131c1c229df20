"""The API of Sample Shop. Facts: quality.yaml."""

from __future__ import annotations

from order_relay.http.auth.credentials import ClientCredentials
from order_relay.http.reading.acknowledging import AcknowledgeEach
from order_relay.http.reading.details import OrderDetail
from order_relay.http.reading.order_list import OrderList
from order_relay.http.reading.pages import ListShape, PageNumbers
from order_relay.http.reading.rest_source import RestSource
from order_relay.http.reading.window import TimeWindow
from order_relay.http.sending.outcomes import OutcomeTable, reply_reader
from order_relay.http.sending.session import DestinationApi, HttpDestination
from order_relay.orders.schema.validator import VendorFormat

from .connection import SampleSettings

ORDERS = "wp-json/wc/v3/orders"


def open_source(settings: SampleSettings, vendor_format: VendorFormat) -> RestSource:
    """Paid orders, by the time of their last change. An order that was taken over is set to ``completed``."""
    detail = OrderDetail(path=f"{ORDERS}/{{id}}")
    return RestSource(
        name="Sample Shop",
        settings=settings,
        account=settings.account,
        format=vendor_format,
        auth=credentials(settings),
        orders=OrderList(
            path=ORDERS,
            query={"status": "processing", "dates_are_gmt": "true"},
            pager=PageNumbers(),
            shape=ListShape(total="X-WP-Total", pages="X-WP-TotalPages"),
            window=TimeWindow(start="modified_after", end="modified_before", format="%Y-%m-%dT%H:%M:%S", excludes=True),
            complete=True,
        ),
        detail=detail,
        acknowledgement=AcknowledgeEach(method="PUT", detail=detail, members={"status": "completed"}),
    )


def open_destination(settings: SampleSettings, vendor_format: VendorFormat) -> HttpDestination[SampleSettings]:
    """A POST creates the order with this key, or replaces it."""
    api = DestinationApi(
        name="Sample Shop",
        import_path="wp-json/shop/v1/imports",
        credentials=credentials(settings),
        outcomes=OutcomeTable(read_success=reply_reader("id", "external_id")),
        idempotent=True,
    )
    return HttpDestination(api, settings, vendor_format)


def credentials(settings: SampleSettings) -> ClientCredentials:
    """OAuth2 client credentials."""
    return ClientCredentials(token_url=settings.token_url, client_id=settings.login, client_secret=settings.password)

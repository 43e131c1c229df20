"""CloudSuite as a source: reads confirmed orders in full, and writes OMS id, line numbers and shipments back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx
from pendulum import Timezone

from order_relay.errors import ConfigurationError
from order_relay.http.reading.acknowledging import AcknowledgeEach
from order_relay.http.reading.rest_source import RestSource
from order_relay.http.reading.status_table import StatusTable
from order_relay.orders.fulfilment.shipment_progress import Shipment
from order_relay.orders.mapping.eligibility import GO, WITHDRAWN
from order_relay.orders.messages import Acknowledgement, Selection, SourceOrder
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.cloudsuite import desadv, line_numbers, write_back
from order_relay.vendors.cloudsuite.access import credentials
from order_relay.vendors.cloudsuite.connection import CloudSuiteSettings
from order_relay.vendors.cloudsuite.order_details import order_detail
from order_relay.vendors.cloudsuite.order_list import ORDER_ID, order_list
from order_relay.vendors.cloudsuite.write_back import CANCEL, CONFIRMED, PROCESSING, Shop

_NUMBER = re.compile(r"(?:(?P<webshop>[0-9]{1,18})-)?(?P<reference>[A-Za-z][A-Za-z0-9._/-]{0,63})", re.ASCII)
HISTORY_STATE = "_history_state"
_NO_WRITE_BACK = Acknowledgement(True, "switched off by the connection")

STATUSES = StatusTable(
    auth=(403,),
    auth_hint="check its rights, and the list of allowed IP addresses",
    configuration=(405,),
    configuration_hint="check the base URL and no_trailing_slash",
    message_member="detail",
)
"""Errors are not documented: statuses are read as HTTP defines them, messages from ``detail``
(docs/vendors/cloudsuite.md, "Facts")."""


class CloudSuiteClient(RestSource):
    """One account. Implements the ports ``Source`` and ``FeedbackTaker``. Connections are kept until ``close``.

    Orders are acknowledged by setting them to ``processing``; those that the shop has processed meanwhile are accepted,
    cancelled ones are refused and not changed.
    """

    def __init__(
        self,
        settings: CloudSuiteSettings,
        vendor_format: VendorFormat,
        http: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        detail = order_detail(settings)
        states = write_back.order_states(detail, settings.listed_states)
        super().__init__(
            name="CloudSuite",
            settings=settings,
            account=settings.account,
            format=vendor_format,
            auth=credentials(settings),
            orders=order_list(settings),
            detail=detail,
            acknowledgement=AcknowledgeEach(
                method="PATCH", detail=detail, members={"state": PROCESSING}, states=states
            ),
            statuses=STATUSES,
            limits=settings.limits,
            hide=(settings.password, settings.login),
            id_for=self._resolve_id,
            counts=self._counts,
            http=http,
            sleep=sleep,
        )
        self._shop_settings = settings
        self._states = states

    @property
    def zone(self) -> Timezone | None:
        """The shop's time zone, if it is known."""
        return self._shop_settings.zone

    @property
    def _shop(self) -> Shop:
        return Shop(self.transport, self.detail, self._states)

    def fetch(self, selection: Selection) -> Iterator[SourceOrder]:
        """See ``RestSource.fetch``. Orders read by a history import also have their state as ``_history_state``, from
        which the mapping takes their status at the destination."""
        for order in super().fetch(selection):
            if selection.history and "state" in order.document:
                yield replace(order, document={**order.document, HISTORY_STATE: order.document["state"]})
            else:
                yield order

    def set_erp_number(self, order_id: str, oms_id: str) -> Acknowledgement:
        """Write the OMS order id into the order. Idempotent.

        Raises ``OutcomeUnknownError`` if it was sent without a usable response, and the errors of ``acknowledge``.
        """
        return write_back.set_erp_number(self._shop, self.checked_id(order_id), oms_id)

    def number_lines(self, order_id: str, numbers: Mapping[str, int]) -> Acknowledgement:
        """Write ERP numbers by CloudSuite line id, by the connection's ``line_numbers`` method. Idempotent.

        Raises ``ConfigurationError`` if the shop changed anything else, and the errors of ``set_erp_number``.
        """
        if self._shop_settings.line_numbers == "off":
            return _NO_WRITE_BACK
        return line_numbers.number_lines(
            self._shop, self.checked_id(order_id), numbers, self._shop_settings.line_numbers
        )

    def mark_shipped(self, order_id: str, shipment: Shipment, *, silent: bool = False) -> Acknowledgement:
        """Report a shipment by the connection's ``shipped_by`` method. Idempotent: a delivery counts once in the shop.

        ``silent``: see the port. Raises the errors of ``set_erp_number``.
        """
        order_id = self.checked_id(order_id)
        match self._shop_settings.shipped_by:
            case "desadv":
                return desadv.send_desadv(self._shop, self._shop_settings, order_id, shipment, silent=silent)
            case "done":
                return write_back.mark_done(self._shop, order_id)
            case "shipment_state":
                return write_back.mark_sent(self._shop, order_id)
            case _:
                return _NO_WRITE_BACK

    def mark_cancelled(self, order_id: str) -> Acknowledgement:
        """Set the order to ``cancel``, if the connection has ``report_cancelled``. Idempotent.

        Raises the errors of ``set_erp_number``.
        """
        if not self._shop_settings.report_cancelled:
            return _NO_WRITE_BACK
        return write_back.mark_cancelled(self._shop, self.checked_id(order_id))

    @property
    def reports_each_delivery(self) -> bool:
        """Whether each delivery is reported (DESADV), or only once that everything was shipped."""
        return self._shop_settings.shipped_by == "desadv"

    def cancelled(self, start: datetime) -> Iterator[str]:
        """Ids of the cancelled orders that were confirmed since ``start``. Raises the errors of ``fetch``."""
        query = {"state": write_back.CANCEL, "offline": "false", **self.bounds(start, None)}
        yield from self.summaries(query)

    def reinstated(self, order_ids: Sequence[str]) -> Iterator[str]:
        """Those of these that exist and are not cancelled. Raises the errors of ``set_erp_number``."""
        for order_id in order_ids:
            order = self._shop.read(self.checked_id(order_id))
            if order is not None and not order.problem and not write_back.is_cancelled(order):
                yield order_id

    def unmarked_offline_orders(self, start: datetime, end: datetime | None = None) -> Iterator[str]:
        """Offline orders since ``start`` that are not marked as sent, if the connection has ``offline_sent``.

        Includes orders that cannot be read. The filter ``offline=true`` is assumed (docs/vendors/cloudsuite.md,
        "Facts"). Raises the errors of ``fetch``.
        """
        if not self._shop_settings.offline_sent:
            return
        found = self.summaries({"offline": "true", **self.bounds(start, end)})
        for order in self.read_all(found):
            settled = order.document.get("shipment_state") == write_back.SENT or write_back.is_cancelled(order)
            if not settled and self._counts(order.document):
                yield self.orders.id_of(order.document)

    def mark_offline_sent(self, order_id: str) -> Acknowledgement:
        """Set an offline order's ``shipment_state`` to ``sent``. Idempotent."""
        return write_back.mark_sent(self._shop, self.checked_id(order_id))

    def order_id_of(self, reference: str, webshop: str | None = None) -> str:
        """The id of an order by its CloudSuite number, and by its web shop if several have that number.

        Raises ``ConfigurationError`` unless exactly one is found, and the errors of ``fetch``.
        """
        found = self.summaries({"reference": reference})
        exact = [order_id for order_id, entry in found.items() if entry.document.get("reference") == reference]
        if len(exact) > 1 and webshop is not None:
            orders = self.read_all(dict.fromkeys(exact))
            exact = [str(order.document["id"]) for order in orders if str(order.document.get("webshop")) == webshop]
        if len(exact) != 1:
            found_text = "several web shops have an order with" if exact else "no order has"
            raise ConfigurationError(
                f"CloudSuite: {found_text} this number; give the id, or web shop and number such as 1-CS9101"
            )
        return exact[0]

    def _counts(self, document: Mapping[str, Any]) -> bool:
        webshops = self._shop_settings.webshops
        return not webshops or "webshop" not in document or str(document["webshop"]) in webshops

    def _resolve_id(self, text: str) -> str:
        """The id for an operator's input: an id (digits), a number (``CS9101``), or our order number (``1-CS9101``)."""
        if ORDER_ID.fullmatch(text):
            return text
        match = _NUMBER.fullmatch(text)
        if match is None:
            raise ConfigurationError(
                "order_ids: give CloudSuite ids (digits such as 9101), numbers (CS9101), or web shop and number "
                "(1-CS9101)"
            )
        return self.order_id_of(match["reference"], match["webshop"])


def open_source(settings: CloudSuiteSettings, shipped: VendorFormat) -> CloudSuiteClient:
    """The client of an account; orders in one of its ``listed_states`` are eligible."""
    if settings.listed_states == (CONFIRMED,):
        return CloudSuiteClient(settings, shipped)
    verdicts = {CANCEL: WITHDRAWN, **dict.fromkeys(settings.listed_states, GO)}
    gate = [{**rule, "verdicts": verdicts} if rule["path"] == "state" else rule for rule in shipped.mapping["gate"]]
    return CloudSuiteClient(settings, VendorFormat(shipped.name, shipped.schema, {**shipped.mapping, "gate": gate}))

"""CloudSuite as a source: reads confirmed orders in full, and writes OMS id, line numbers and shipments back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import httpx

from order_relay.errors import ConfigurationError, OutcomeUnknownError, ThrottledError, TransientError
from order_relay.http.reading.client import UnreachableError
from order_relay.http.reading.parallel import map_in_order
from order_relay.orders.fulfilment.shipment_progress import Shipment
from order_relay.orders.mapping.eligibility import GO, WITHDRAWN
from order_relay.orders.messages import Acknowledgement, Selection, SourceListing, SourceOrder, Warn, ignore_warning
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.cloudsuite import desadv, line_numbers, write_back
from order_relay.vendors.cloudsuite.connection import CloudSuiteSettings
from order_relay.vendors.cloudsuite.order_details import OrderDetails
from order_relay.vendors.cloudsuite.order_list import id_of, query_window, read_list
from order_relay.vendors.cloudsuite.read_failures import ReadFailures
from order_relay.vendors.cloudsuite.transport import CloudSuiteTransport, Query
from order_relay.vendors.cloudsuite.write_back import CANCEL, CONFIRMED

_ORDER_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
_NUMBER = re.compile(r"(?:(?P<webshop>[0-9]{1,18})-)?(?P<reference>[A-Za-z][A-Za-z0-9._/-]{0,63})", re.ASCII)
_NO_WRITE_BACK = Acknowledgement(True, "switched off by the connection")


class CloudSuiteClient:
    """One account. Implements the ports ``Source`` and ``FeedbackTaker``. Connections are kept until ``close``."""

    windowed = True
    acknowledges: Literal["source_id"] = "source_id"

    def __init__(
        self,
        settings: CloudSuiteSettings,
        vendor_format: VendorFormat,
        http: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sleep = sleep
        self.settings = settings
        self._http = http
        self.account = settings.account
        self.format = vendor_format

    @cached_property
    def _transport(self) -> CloudSuiteTransport:
        return CloudSuiteTransport(self.settings, self._http)

    def close(self) -> None:
        """Close the connections. A later request opens new ones."""
        transport = self.__dict__.pop("_transport", None)
        if transport is not None:
            transport.close()

    def fetch(self, selection: Selection) -> Iterator[SourceOrder]:
        """Stream the confirmed orders of [start, end], and those of ``selection.order_ids`` regardless of their date.

        Without a start only the latter; without either, all confirmed orders. The whole list is read before the first
        order. An order that cannot be read, or answers 404, is offered with a problem of ``UNREAD_PROBLEMS``. The
        orders are valid only once the iterator is exhausted. Raises the errors of the port.
        """
        listing = selection.listing or SourceListing()
        wanted: dict[str, dict[str, Any] | None] = {}
        if selection.start is not None or not selection.order_ids:
            start, end, zone = selection.start, selection.end, self.settings.zone
            bounds = {} if start is None else query_window(start, end, zone)
            for state in self.settings.listed_states:
                query = {"state": state, "offline": "false", **bounds}
                wanted.update(self._listed(query, selection.warn))
        for order_id in selection.order_ids:
            wanted.setdefault(self._resolve_id(order_id), None)
        listing.add(wanted)
        due = {order_id: listed for order_id, listed in wanted.items() if order_id not in selection.later}
        details = self._details(tuple(due), selection.known)
        orders = map_in_order(details.offered, due.items(), self.settings.parallel)
        for order_id, order in zip(due, orders, strict=True):
            if self._counts(order.document):
                yield order
            else:
                listing.exclude(order_id)

    def acknowledge(self, names: Sequence[str]) -> dict[str, Acknowledgement]:
        """Set orders to ``processing``. ``names`` are ids; those without a usable response are missing from the result.

        Orders that the shop has processed meanwhile are accepted; cancelled ones are refused and not changed. Raises
        ``OutcomeUnknownError`` if no order got a usable response, and the errors of the port.
        """
        ids = list(dict.fromkeys(map(self._checked_id, names)))
        answers = zip(ids, map_in_order(self._taken_over, ids, self.settings.parallel), strict=True)
        found = {order_id: answer for order_id, answer in answers if answer is not None}
        if ids and not found:
            raise OutcomeUnknownError(f"CloudSuite sent no usable response for any of {len(ids)} orders")
        return found

    def set_erp_number(self, order_id: str, oms_id: str) -> Acknowledgement:
        """Write the OMS order id into the order. Idempotent.

        Raises ``OutcomeUnknownError`` if it was sent without a usable response, and the errors of ``acknowledge``.
        """
        return write_back.set_erp_number(self._transport, self._checked_id(order_id), oms_id)

    def number_lines(self, order_id: str, numbers: Mapping[str, int]) -> Acknowledgement:
        """Write ERP numbers by CloudSuite line id, by the connection's ``line_numbers`` method. Idempotent.

        Raises ``ConfigurationError`` if the shop changed anything else, and the errors of ``set_erp_number``.
        """
        if self.settings.line_numbers == "off":
            return _NO_WRITE_BACK
        return line_numbers.number_lines(
            self._transport, self._checked_id(order_id), numbers, self.settings.line_numbers
        )

    def mark_shipped(self, order_id: str, shipment: Shipment, *, silent: bool = False) -> Acknowledgement:
        """Report a shipment by the connection's ``shipped_by`` method. Idempotent: a delivery counts once in the shop.

        ``silent``: see the port. Raises the errors of ``set_erp_number``.
        """
        order_id = self._checked_id(order_id)
        match self.settings.shipped_by:
            case "desadv":
                return desadv.send_desadv(self._transport, self.settings, order_id, shipment, silent=silent)
            case "done":
                return write_back.mark_done(self._transport, order_id)
            case "shipment_state":
                return write_back.mark_sent(self._transport, order_id)
            case _:
                return _NO_WRITE_BACK

    @property
    def reports_each_delivery(self) -> bool:
        """Whether each delivery is reported (DESADV), or only once that everything was shipped."""
        return self.settings.shipped_by == "desadv"

    def cancelled(self, start: datetime) -> Iterator[str]:
        """Ids of the cancelled orders that were confirmed since ``start``. Raises the errors of ``fetch``."""
        bounds = query_window(start, None, self.settings.zone)
        yield from self._listed({"state": write_back.CANCEL, "offline": "false", **bounds})

    def unmarked_offline_orders(self, start: datetime, end: datetime | None = None) -> Iterator[str]:
        """Offline orders since ``start`` that are not marked as sent, if the connection has ``offline_sent``.

        Includes orders that cannot be read. The filter ``offline=true`` is assumed (docs/vendors/cloudsuite.md,
        "Facts"). Raises the errors of ``fetch``.
        """
        if not self.settings.offline_sent:
            return
        found = self._listed({"offline": "true", **query_window(start, end, self.settings.zone)})
        for order in map_in_order(self._details(tuple(found)).offered, found.items(), self.settings.parallel):
            settled = order.document.get("shipment_state") == write_back.SENT or write_back.is_cancelled(order)
            if not settled and self._counts(order.document):
                yield id_of(order.document)

    def mark_offline_sent(self, order_id: str) -> Acknowledgement:
        """Set an offline order's ``shipment_state`` to ``sent``. Idempotent."""
        return write_back.mark_sent(self._transport, self._checked_id(order_id))

    def order_id_of(self, reference: str, webshop: str | None = None) -> str:
        """The id of an order by its CloudSuite number, and by its web shop if several have that number.

        Raises ``ConfigurationError`` unless exactly one is found, and the errors of ``fetch``.
        """
        found = self._listed({"reference": reference})
        exact = [order_id for order_id, summary in found.items() if summary.get("reference") == reference]
        if len(exact) > 1 and webshop is not None:
            orders = map_in_order(self._details(exact).offered, [(one, None) for one in exact], self.settings.parallel)
            exact = [str(order.document["id"]) for order in orders if str(order.document.get("webshop")) == webshop]
        if len(exact) != 1:
            found_text = "several web shops have an order with" if exact else "no order has"
            raise ConfigurationError(
                f"CloudSuite: {found_text} this number; give the id, or web shop and number such as 1-CS9101"
            )
        return exact[0]

    def _listed(self, query: Query, warn: Warn = ignore_warning) -> dict[str, dict[str, Any]]:
        return read_list(self._transport, query, self.settings.page_size, warn)

    def _details(self, ids: Sequence[str], known: Collection[str] = ()) -> OrderDetails:
        failures = ReadFailures(ids, known)
        settings = self.settings
        details = OrderDetails(self._transport, failures, settings.detail_tries, settings.detail_pause_s, self._sleep)
        failures.probe = details.probe
        return details

    def _counts(self, document: Mapping[str, Any]) -> bool:
        webshops = self.settings.webshops
        return not webshops or "webshop" not in document or str(document["webshop"]) in webshops

    def _taken_over(self, order_id: str) -> Acknowledgement | None:
        try:
            return write_back.take_over(self._transport, order_id, self.settings.listed_states)
        except (ThrottledError, UnreachableError):
            raise
        except (OutcomeUnknownError, TransientError):  # one order must not stop the others
            return None

    def _resolve_id(self, text: str) -> str:
        """The id for an operator's input: an id (digits), a number (``CS9101``), or our order number (``1-CS9101``)."""
        if _ORDER_ID.fullmatch(text):
            return text
        match = _NUMBER.fullmatch(text)
        if match is None:
            raise ConfigurationError(
                "order_ids: give CloudSuite ids (digits such as 9101), numbers (CS9101), or web shop and number "
                "(1-CS9101)"
            )
        return self.order_id_of(match["reference"], match["webshop"])

    @staticmethod
    def _checked_id(order_id: str) -> str:
        if not _ORDER_ID.fullmatch(order_id):
            raise ConfigurationError("CloudSuite order ids consist of digits, such as 9101 (CS9101 is an order number)")
        return order_id


def open_source(settings: CloudSuiteSettings, shipped: VendorFormat) -> CloudSuiteClient:
    """The client of an account; orders in one of its ``listed_states`` are eligible."""
    if settings.listed_states == (CONFIRMED,):
        return CloudSuiteClient(settings, shipped)
    verdicts = {CANCEL: WITHDRAWN, **dict.fromkeys(settings.listed_states, GO)}
    gate = [{**rule, "verdicts": verdicts} if rule["path"] == "state" else rule for rule in shipped.mapping["gate"]]
    return CloudSuiteClient(settings, VendorFormat(shipped.name, shipped.schema, {**shipped.mapping, "gate": gate}))

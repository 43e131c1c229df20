"""CloudSuite as a source: its confirmed orders are read in full, and each is told of what became of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import httpx

from order_relay.errors import ConfigurationError, OutcomeUnknownError, ThrottledError, TransientError
from order_relay.http.client import UnreachableError
from order_relay.orders.fulfilment.shipment_progress import Shipment
from order_relay.orders.messages import Acknowledgement, Selection, SourceListing, SourceOrder, Warn, ignore_warning
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.cloudsuite import desadv, line_numbers, write_back
from order_relay.vendors.cloudsuite.connection import CloudSuiteSettings
from order_relay.vendors.cloudsuite.order_details import OrderDetails, map_in_order
from order_relay.vendors.cloudsuite.order_list import id_of, query_window, read_list
from order_relay.vendors.cloudsuite.read_failures import ReadFailures
from order_relay.vendors.cloudsuite.transport import CloudSuiteTransport, Query

_ORDER_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
_NUMBER = re.compile(r"(?:(?P<webshop>[0-9]{1,18})-)?(?P<reference>[A-Za-z][A-Za-z0-9._/-]{0,63})", re.ASCII)
_NO_WRITE_BACK = Acknowledgement(True, "switched off by the connection")


class CloudSuiteClient:
    """One account. Fulfils the port ``Source``. Connections are kept until ``close``."""

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
        self.fingerprint = settings.fingerprint

    @cached_property
    def _transport(self) -> CloudSuiteTransport:
        return CloudSuiteTransport(self.settings, self._http)

    def close(self) -> None:
        """Close the connections. A later request opens new ones."""
        transport = self.__dict__.pop("_wire", None)
        if transport is not None:
            transport.close()

    def fetch(self, selection: Selection) -> Iterator[SourceOrder]:
        """Stream the confirmed orders of [start, end], and those of ``selection.order_ids`` whatever their date.

        Without a start only the latter; without either, all confirmed ones. The whole list is read before the first
        order. One that cannot be read, or that the shop denies, is offered with a problem of ``UNREAD_PROBLEMS``.
        Nothing may be
        used before the iterator has ended. Raises as the port says.
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
            wanted.setdefault(self._id_named(order_id), None)
        listing.add(wanted)
        now = {order_id: listed for order_id, listed in wanted.items() if order_id not in selection.later}
        details = self._details(tuple(now), selection.known)
        for order_id, order in zip(
            now, map_in_order(details.offered, now.items(), self.settings.parallel), strict=True
        ):
            if self._counts(order.document):
                yield order
            else:
                listing.exclude(order_id)

    def acknowledge(self, names: Sequence[str]) -> dict[str, Acknowledgement]:
        """Set confirmed orders to ``processing``; one that nobody could answer for is absent from the result.

        ``names`` are ids. What the shop has processed meanwhile counts as accepted, what it has cancelled is refused
        and left alone. Raises ``OutcomeUnknownError`` where not one was answered for, and as the port says.
        """
        ids = list(dict.fromkeys(map(self._checked_id, names)))
        answers = zip(ids, map_in_order(self._taken_over, ids, self.settings.parallel), strict=True)
        found = {order_id: answer for order_id, answer in answers if answer is not None}
        if ids and not found:
            raise OutcomeUnknownError("CloudSuite gave no usable answer for any of these orders")
        return found

    def set_erp_number(self, order_id: str, oms_id: str) -> Acknowledgement:
        """Write the OMS's order id into the order. May be repeated.

        Raises ``OutcomeUnknownError`` where it was sent and no usable answer came, and as ``acknowledge``.
        """
        return write_back.set_erp_number(self._transport, self._checked_id(order_id), oms_id)

    def number_lines(self, order_id: str, numbers: Mapping[str, int]) -> Acknowledgement:
        """Give the lines (by CloudSuite's line ids) their ERP numbers, in the way of the connection. May be repeated.

        Raises ``ConfigurationError`` where the shop changed something else over it, and as ``set_erp_number``.
        """
        if self.settings.line_numbers == "off":
            return _NO_WRITE_BACK
        return line_numbers.number_lines(
            self._transport, self._checked_id(order_id), numbers, self.settings.line_numbers
        )

    def mark_shipped(self, order_id: str, shipment: Shipment, *, silent: bool = False) -> Acknowledgement:
        """Tell that a delivery left, in the way of the connection. May be repeated: the shop takes a delivery once.

        ``silent`` as the port says. Raises as ``set_erp_number``.
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
        """A delivery message is about one delivery; the other ways say once that everything left."""
        return self.settings.shipped_by == "desadv"

    def cancelled(self, start: datetime) -> Iterator[str]:
        """Ids of the orders confirmed since ``start`` that the shop has cancelled; one list, no details.

        Raises as ``offers``.
        """
        bounds = query_window(start, None, self.settings.zone)
        yield from self._listed({"state": write_back.CANCEL, "offline": "false", **bounds})

    def unmarked_offline_orders(self, start: datetime, end: datetime | None = None) -> Iterator[str]:
        """Offline orders since ``start`` that are not marked as sent; none unless the connection says ``offline_sent``.

        One that cannot be read is among them. That the list takes ``offline=true`` is assumed (``false`` is
        documented). Raises as ``offers``.
        """
        if not self.settings.offline_sent:
            return
        found = self._listed({"offline": "true", **query_window(start, end, self.settings.zone)})
        for order in map_in_order(self._details(tuple(found)).offered, found.items(), self.settings.parallel):
            settled = order.document.get("shipment_state") == write_back.SENT or write_back.cancelled(order)
            if not settled and self._counts(order.document):
                yield id_of(order.document)

    def mark_offline_sent(self, order_id: str) -> Acknowledgement:
        """Set an offline order's ``shipment_state`` to ``sent``, as the vendor's page allows. May be repeated."""
        return write_back.mark_sent(self._transport, self._checked_id(order_id))

    def order_id_of(self, reference: str, webshop: str | None = None) -> str:
        """The id of an order by its CloudSuite number, and by its webshop where several have that number.

        Raises ``ConfigurationError`` where none or several are found, and as ``offers``.
        """
        found = self._listed({"reference": reference})
        exact = [order_id for order_id, summary in found.items() if summary.get("reference") == reference]
        if len(exact) > 1 and webshop is not None:
            orders = map_in_order(self._details(exact).offered, [(one, None) for one in exact], self.settings.parallel)
            exact = [str(order.document["id"]) for order in orders if str(order.document.get("webshop")) == webshop]
        if len(exact) != 1:
            several = "several web shops have an order with" if exact else "no order has"
            raise ConfigurationError(
                f"CloudSuite: {several} this number; give the id, or web shop and number such as 1-CS9101"
            )
        return exact[0]

    def _listed(self, query: Query, warn: Warn = ignore_warning) -> dict[str, dict[str, Any]]:
        return read_list(self._transport, query, self.settings.page_size, warn)

    def _details(self, ids: Sequence[str], known: Collection[str] = ()) -> OrderDetails:
        health = ReadFailures(ids, known)
        settings = self.settings
        details = OrderDetails(self._transport, health, settings.detail_tries, settings.detail_pause_s, self._sleep)
        health.probe = details.probe
        return details

    def _counts(self, document: Mapping[str, Any]) -> bool:
        webshops = self.settings.webshops
        return not webshops or "webshop" not in document or str(document["webshop"]) in webshops

    def _taken_over(self, order_id: str) -> Acknowledgement | None:
        try:
            return write_back.take_over(self._transport, order_id, self.settings.listed_states)
        except (ThrottledError, UnreachableError):
            raise
        except (OutcomeUnknownError, TransientError):  # one that can not be answered for must not stop the others
            return None

    def _id_named(self, word: str) -> str:
        """The id that an operator means: digits are one; else it is a number (``CS9101``), perhaps with its web shop
        before it (``1-CS9101``, our order number)."""
        if _ORDER_ID.fullmatch(word):
            return word
        match = _NUMBER.fullmatch(word)
        if match is None:
            raise ConfigurationError(
                "order_ids: give CloudSuite's ids (digits such as 9101), its numbers (CS9101), or web shop and number "
                "(1-CS9101)"
            )
        return self.order_id_of(match["reference"], match["webshop"])

    @staticmethod
    def _checked_id(order_id: str) -> str:
        if not _ORDER_ID.fullmatch(order_id):
            raise ConfigurationError("order_ids: CloudSuite's order ids are digits (a number such as CS9101 is none)")
        return order_id

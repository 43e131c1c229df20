"""A second pair of simulated vendors, on the standard library's HTTP server.

It shares nothing with the sandbox: written from the vendors' pages alone, with the constraints of the import page as
plain Python. What the engine and the sandbox could both have misread would show here.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LOGIN, PASSWORD, ORG = "rep-admin", "s3cret-of-supercat", "acme"
API_KEY, SECRET, TOKEN = "key-0001", "s3cret-of-shopatron", "token-of-the-hour"
MANUFACTURER = 1042

REQUIRED = {
    "externalOrderID": str,
    "manufacturerID": int,
    "catalogID": int,
    "locale": str,
    "currency": str,
    "customer": dict,
    "orderItems": list,
    "shippingMethod": dict,
    "shippingAddress": dict,
    "orderPayments": list,
    "customerIP": str,
    "sendEmail": bool,
    "orderStatus": str,
}


@dataclass
class VendorState:
    """The vendors' orders and what they received."""

    orders: list[dict[str, Any]] = field(default_factory=list)
    received: list[str] = field(default_factory=list)
    imported: list[dict[str, Any]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    history: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def offered(self) -> list[dict[str, Any]]:
        return [order for order in self.orders if order.get("order_number") not in self.received]


def complaints_about(body: dict[str, Any]) -> list[str]:
    """Each documented constraint of the import page that this body breaks."""
    found = [name for name, kind in REQUIRED.items() if type(body.get(name)) is not kind]
    if found:
        return [f"missing or mistyped: {name}" for name in found]
    checks = {
        "externalOrderID": 1 <= len(body["externalOrderID"]) <= 100,
        "manufacturerID": body["manufacturerID"] >= 1,
        "catalogID": body["catalogID"] >= 0,
        "orderStatus": body["orderStatus"] in {"SHIPPED", "READY", "CANCELLED"},
        "customerIP": ipaddress.IPv4Address(body["customerIP"]).is_global,
        "orderComment": len(body.get("orderComment") or "") <= 1000,
        "cartID": len(body.get("cartID") or "") <= 512,
        "landingCode": body.get("landingCode") is None or 10 <= len(body["landingCode"]) <= 200,
        "shippingTax": (body.get("shippingTax") or 0) >= 0,
        "orderItems": len(body["orderItems"]) > 0,
        "sendEmail": body["sendEmail"] is False,
        "importedCreationDate": "importedCreationDate" not in body
        or datetime.fromisoformat(body["importedCreationDate"]).tzinfo is not None,
        "orderPayments": all(
            len(payment["paymentMethod"]["billingAddress"].get(f"addressLine{n}") or "") <= 250
            for payment in body["orderPayments"]
            for n in (1, 2, 3)
        ),
        "customOrderData": all(
            isinstance(v, str) and 1 <= len(k) <= 100 and 1 <= len(v) <= 1000
            for k, v in (body.get("customOrderData") or {}).items()
        ),
    }
    for item in body["orderItems"]:
        product, specifics = item["product"], item["itemSpecifics"]
        checks |= {
            "partNumber": bool(product["partNumber"]) and bool(product["name"]),
            "quantity": type(specifics["quantity"]) is int and specifics["quantity"] >= 1,
            "actualPrice": specifics["actualPrice"] >= 0,
            "itemTaxOverride": not body.get("forceItemTaxOverride") or specifics.get("itemTaxOverride") is not None,
        }
    return [f"constraint broken: {name}" for name, kept in checks.items() if not kept]


def total_of(body: dict[str, Any]) -> Decimal:
    """What the OMS works out: prices times quantities, shipping and tax of each item."""
    return sum(
        (
            Decimal(str(i["itemSpecifics"]["actualPrice"])) * i["itemSpecifics"]["quantity"]
            + Decimal(str(i["itemSpecifics"].get("shipping") or 0))
            + Decimal(str(i["itemSpecifics"].get("itemTaxOverride") or 0))
            for i in body["orderItems"]
        ),
        Decimal(0),
    )


class Vendors(BaseHTTPRequestHandler):
    """Both vendors behind one port."""

    protocol_version = "HTTP/1.1"
    state: VendorState

    def log_message(self, *_: Any) -> None:
        """The standard server prints each request; a test wants silence."""

    def reply(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def read(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def basic(self, login: str, password: str) -> bool:
        expected = base64.b64encode(f"{login}:{password}".encode()).decode()
        return self.headers.get("Authorization") == f"Basic {expected}"

    def do_GET(self) -> None:
        if self.path == f"/{ORG}/ext/v2/orders/new_orders" and self.basic(LOGIN, PASSWORD):
            with self.state.lock:
                self.state.history.append(("GET", "new_orders"))
                self.reply(200, {"status": "success", "error": None, "data": self.state.offered()})
        elif self.path.startswith("/api/v2/order/"):
            with self.state.lock:
                rows = [
                    {"orderID": n, "externalOrderID": o["externalOrderID"], "orderStatus": "READY"}
                    for n, o in enumerate(self.state.imported, start=5001)
                ]
            self.reply(200, {"totalCount": len(rows), "collection": rows[:100]})
        else:
            self.reply(404, {})

    def do_POST(self) -> None:
        body = self.read()
        if self.path == f"/{ORG}/ext/v2/orders/new_orders" and self.basic(LOGIN, PASSWORD):
            self.mark_received(json.loads(body))
        elif self.path == "/oauthserver/oauth2/token" and self.basic(API_KEY, SECRET):
            self.reply(200, {"access_token": TOKEN, "token_type": "bearer", "expires_in": 3600, "scope": "all"})
        elif self.path == "/api/v2/importOrder/" and self.headers.get("Authorization") == f"Bearer {TOKEN}":
            self.import_order(json.loads(body, parse_float=Decimal))
        else:
            self.reply(401, {})

    def mark_received(self, numbers: list[str]) -> None:
        with self.state.lock:
            known = {order.get("order_number") for order in self.state.orders}
            self.state.received += numbers
            self.state.history += [("ACK", number) for number in numbers]
        answer = {n: {"success": True} if n in known else {"success": False, "error": "no such order"} for n in numbers}
        self.reply(200, {"status": "success", "error": None, "data": answer})

    def import_order(self, order: dict[str, Any]) -> None:
        wrong = complaints_about(order)
        with self.state.lock:
            self.state.complaints += wrong
            if not wrong:
                self.state.imported.append(order)
                self.state.history.append(("IMPORT", order["externalOrderID"]))
            number = 5000 + len(self.state.imported)
        self.reply(400, {"message": wrong}) if wrong else self.reply(200, {"orderID": number, "orderStatus": "READY"})


@contextmanager
def literal_vendors(orders: list[dict[str, Any]]) -> Iterator[tuple[str, VendorState]]:
    """Serve both vendors on a free loopback port; yields the base URL and the vendors' state."""
    state = VendorState(orders=orders)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Vendors,), {"state": state}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""The schemas that the OMS publishes, and what they may settle. Source of the paths: docs/vendors/shopatron.md.

The path of ``importOrder.json`` is stated by the vendor, that of ``orderSearch.json`` by its search page. Neither could
be read without an account; what they contain is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from order_relay.http.sending.schema_documents import read_schema_documents
from order_relay.http.sending.session import HttpDestination
from order_relay.orders.schema.published_schema import PublishedSchema, SchemaAssumption
from order_relay.vendors.shopatron.connection import OmsSettings

IMPORT, SEARCH = "importOrder.json", "orderSearch.json"


async def published_schemas(port: HttpDestination[OmsSettings]) -> list[PublishedSchema]:
    """The published schemas of an account, each with ours. Raises ``ConfigurationError`` or ``ThrottledError``."""
    async with port.session(1) as session:
        found = {name: await read_schema_documents(session, f"schema/{name}") for name in (IMPORT, SEARCH)}
    return [
        PublishedSchema(IMPORT, found[IMPORT][0], port.format.schema, found[IMPORT][1]),
        PublishedSchema(SEARCH, found[SEARCH][0], _parameters(port.settings), found[SEARCH][1], names_only=True),
    ]


def _parameters(settings: OmsSettings) -> Mapping[str, Any]:
    """The parameters that our searches use, as members of a schema."""
    names = ("manufacturerID", "externalOrderID", settings.search_from, settings.search_to, "page", "perPage")
    return {"type": "object", "properties": {name: {} for name in names}}


def assumptions(port: HttpDestination[OmsSettings]) -> tuple[SchemaAssumption, ...]:
    """What the pages leave open (``quality.yaml``), with the members of the published schemas that answer it."""
    settings = port.settings
    limits = ("minLength", "maxLength", "pattern")
    return (
        SchemaAssumption(
            "further required members",
            IMPORT,
            "orderItems[].product.name",
            ("required",),
            "a part without a name is not sent",
        ),
        SchemaAssumption("fewest items", IMPORT, "orderItems", ("minItems",), "at least one"),
        SchemaAssumption("external id", IMPORT, "externalOrderID", limits, "1 to 100 characters without commas"),
        SchemaAssumption(
            "`customerIP`", IMPORT, "customerIP", ("required", "format", "pattern"), "required, a public IPv4 address"
        ),
        SchemaAssumption("`locale` has a default", IMPORT, "locale", ("required",), "required all the same"),
        SchemaAssumption("`sendEmail` has a default", IMPORT, "sendEmail", ("required",), "required all the same"),
        SchemaAssumption("unknown members", IMPORT, "", ("closed",), "may be refused: none is sent"),
        SchemaAssumption("currencies", IMPORT, "currency", ("enum",), "any code of ISO 4217"),
        SchemaAssumption(
            "`orderStatus`",
            IMPORT,
            settings.status_field,
            ("enum",),
            "READY, SHIPPED, CANCELLED, or status_values",
        ),
        SchemaAssumption("shipping type", IMPORT, "shippingMethod.shippingType", ("required", "enum"), "any text"),
        SchemaAssumption("shipping class", IMPORT, "shippingMethod.shippingClass", ("required", "enum"), "any text"),
        SchemaAssumption(
            "payment types", IMPORT, "orderPayments[].paymentMethod.paymentType", ("enum",), "any two capital letters"
        ),
        SchemaAssumption("state", IMPORT, "shippingAddress.state", ("required", *limits), "any text, not required"),
        SchemaAssumption("search by external id", SEARCH, "externalOrderID", ("member",), "tried first (search_by)"),
        SchemaAssumption(
            "search from a date", SEARCH, settings.search_from, ("member",), f"search_from is {settings.search_from}"
        ),
        SchemaAssumption(
            "search to a date", SEARCH, settings.search_to, ("member",), f"search_to is {settings.search_to}"
        ),
        SchemaAssumption("page numbers", SEARCH, "page", ("minimum",), "counted from 1"),
        SchemaAssumption("rows of a page", SEARCH, "perPage", ("maximum",), "at most 100"),
    )

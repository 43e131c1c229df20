"""The published schema of the feed (``shiprush/schema``), and ShipRush's own sample as a check of the check."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from lxml import etree

SCHEMA = Path(__file__).parents[1] / "vendors" / "shiprush" / "schema" / "shipstation_orders.xsd"

SAMPLE = b"""<?xml version="1.0" encoding="utf-8"?>
<Orders pages="3"><Order><OrderID>987456</OrderID><OrderNumber>ZC-490039</OrderNumber>
<OrderDate>3/8/2018 22:26 PM</OrderDate><OrderStatus>paid</OrderStatus><LastModified>3/8/2018 22:26 PM</LastModified>
<ShippingMethod>USPSPriority</ShippingMethod><PaymentMethod>Credit Card</PaymentMethod><OrderTotal>103.05</OrderTotal>
<TaxAmount>0.00</TaxAmount><ShippingAmount>6.50</ShippingAmount><CustomerNotes>Ship right away please!</CustomerNotes>
<InternalNotes>in afternoon batch</InternalNotes><Gift>false</Gift><GiftMessage/><CustomField1/><CustomField2/>
<CustomField3/><Customer><CustomerCode>customer@demouser.com</CustomerCode><BillTo><Name>Sally Buyeroff</Name><Company/>
<Phone>206-000-0101</Phone><Email>customer@demouser.com</Email></BillTo><ShipTo><Name>Sally Buyeroff</Name><Company/>
<Address1>120 Lakeside Ave</Address1><Address2>Suite 101</Address2><City>Seattle</City><State>WA</State>
<PostalCode>98122</PostalCode><Country>US</Country><Phone>206-000-0101</Phone></ShipTo></Customer><Items><Item>
<SKU>FLOP4433B</SKU><Name>Widget</Name><ImageUrl>http://www.mystoredemo.com/products/FLOP4433B.jpg</ImageUrl>
<Weight>4</Weight><WeightUnits>Ounces</WeightUnits><Quantity>3</Quantity><UnitPrice>15.91</UnitPrice><Location/>
<Options><Option><Name>Size</Name><Value>Large</Value><Weight>12</Weight></Option><Option><Name>Color</Name>
<Value>Green</Value><Weight>6</Weight></Option></Options></Item></Items></Order></Orders>"""
"""The example of the vendor's reference page (page-shiprush.txt)."""


@cache
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(SCHEMA)))


def checked(document: bytes) -> etree._Element:
    """The document's root; fails where it is not valid."""
    root = etree.fromstring(document)
    _schema().assertValid(root)
    return root


def paths(document: bytes) -> set[str]:
    """Every element's path in a document."""
    tree = etree.ElementTree(etree.fromstring(document))
    return {"/".join([*(a.tag for a in reversed(list(e.iterancestors()))), e.tag]) for e in tree.iter()}

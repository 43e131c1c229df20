"""CloudSuite: a source that takes feedback."""

from __future__ import annotations

from order_relay.vendor import Vendor
from order_relay.vendors.cloudsuite.connection import CloudSuiteSettings

VENDOR = Vendor(__package__, "CloudSuite", CloudSuiteSettings, source="client:open_source")

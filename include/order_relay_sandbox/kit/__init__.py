"""Stand-ins for plain REST vendors: a source or destination declares its paths and members, the kit does the rest."""

from __future__ import annotations

from order_relay_sandbox.kit.access import AccessSwitches
from order_relay_sandbox.kit.destination import PlainDestination, PlainDestinationSwitches
from order_relay_sandbox.kit.paging import Paging
from order_relay_sandbox.kit.source import PlainSource, PlainSourceSwitches, Window

__all__ = [
    "AccessSwitches",
    "Paging",
    "PlainDestination",
    "PlainDestinationSwitches",
    "PlainSource",
    "PlainSourceSwitches",
    "Window",
]

"""Shopatron, with time-outs of a second."""

from __future__ import annotations

from tests.support.faults.case import DestinationSide

DESTINATION = DestinationSide(
    "shopatron", {"timeout_s": 1.0, "visible_after_s": 0.0, "connections": 4}, harsh={"duplicates": "accept"}
)

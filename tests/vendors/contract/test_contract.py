"""Every vendor passes the contract suite."""

from __future__ import annotations

from order_relay_contract import *  # noqa: F403

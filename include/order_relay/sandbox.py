"""``python -m order_relay.sandbox``: the sandbox's name in earlier releases; use ``python -m order_relay_sandbox``."""

from __future__ import annotations

import runpy
import sys

if __name__ == "__main__":
    sys.stderr.write("python -m order_relay.sandbox is deprecated; use python -m order_relay_sandbox\n")
    runpy.run_module("order_relay_sandbox", run_name="__main__", alter_sys=True)

"""From canonical orders to a destination's payloads: totals, derived columns, layout, and the final checks."""

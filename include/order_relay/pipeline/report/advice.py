"""What a reason code means, who can resolve it, and how: the one table for commands, reports, alerts and docs.

States and open tasks are explained in ``state_advice``, differences from the OMS in ``comparison_advice``.
"""

from __future__ import annotations

from collections.abc import Mapping

from order_relay.pipeline.report.advice_types import Advice
from order_relay.pipeline.report.order_codes import ORDER_CODES
from order_relay.pipeline.report.processing_codes import FAMILIES, PROCESSING_CODES

CODES: Mapping[str, Advice] = {**ORDER_CODES, **PROCESSING_CODES}
"""Every reason code of the package."""


def advice_for(code: str) -> Advice | None:
    """What a code means; ``None`` for a code that neither the table nor a family contains."""
    if code in CODES:
        return CODES[code]
    return next((advice for pattern, advice in FAMILIES if pattern.fullmatch(code)), None)


def explain(code: str) -> str:
    """The meaning of a code in one or two sentences; an unknown code as words."""
    advice = advice_for(code)
    return advice.meaning if advice else code.replace("_", " ")

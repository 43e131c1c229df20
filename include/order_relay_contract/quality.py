"""What a vendor's ``quality.yaml`` claims."""

from __future__ import annotations

from order_relay_contract.support.quality import problems


class TestQuality:
    """Every rule is answered, and settings, switches, code, tests and sections of pages that are named exist."""

    def test_every_claim_is_right(self, vendor: str) -> None:
        assert problems(vendor) == []

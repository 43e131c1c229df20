"""The fields of ``shipstation_default``."""

from __future__ import annotations

from pydantic import Field

from order_relay.http.connection_settings import BasicLogin, Secret
from order_relay.http.sending.send_settings import SendSettings


class ShipStationSettings(SendSettings):
    """One account."""

    login: BasicLogin = Field(title="API key")
    password: Secret = Field(title="API secret")
    requests_per_minute: int = Field(
        40, title="Requests per minute", description="Of your plan; 0: no limit", ge=0, le=10_000
    )

    @property
    def account(self) -> str:
        """Identifies the account in the ledger."""
        return f"shipstation:{self.base_url}"

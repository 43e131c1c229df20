"""The fields of ``sample_default``."""

from __future__ import annotations

from pydantic import Field

from order_relay.http.connection_settings import HttpSettings, Secret, Url
from order_relay.http.sending.send_settings import SendSettings


class SampleSettings(HttpSettings, SendSettings):
    """One shop."""

    login: Secret = Field(title="Client id")
    password: Secret = Field(title="Client secret")
    token_url: Url = Field(title="Token URL")

    @property
    def account(self) -> str:
        """Identifies the shop in the ledger."""
        return f"sample:{self.base_url}"

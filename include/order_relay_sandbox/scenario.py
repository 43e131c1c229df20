"""A scenario: all switches of all vendors, from YAML, JSON or a mapping. Unknown names are errors."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from order_relay_sandbox.acommerce.switches import AcommerceSwitches
from order_relay_sandbox.cloudsuite.switches import CloudSuiteSwitches
from order_relay_sandbox.shopatron.switches import ShopatronSwitches
from order_relay_sandbox.supercat.switches import SuperCatSwitches


class Scenario(BaseModel):
    """Behaviour of the simulated vendors. Defaults: the documented behaviour without faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    supercat: SuperCatSwitches = Field(default_factory=SuperCatSwitches)
    cloudsuite: CloudSuiteSwitches = Field(default_factory=CloudSuiteSwitches)
    acommerce: AcommerceSwitches = Field(default_factory=AcommerceSwitches)
    shopatron: ShopatronSwitches = Field(default_factory=ShopatronSwitches)

    @classmethod
    def load(cls, path: str | Path) -> Scenario:
        """Read a scenario file (YAML or JSON); raises ``ValueError`` naming each invalid switch."""
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        return cls.of(content or {})

    @classmethod
    def of(cls, switches: Mapping[str, Any]) -> Scenario:
        """Create from a mapping; raises ``ValueError`` (pydantic's) for unknown or invalid switches."""
        return cls.model_validate(switches)

    def changed(self, changes: Mapping[str, Any]) -> Scenario:
        """A copy with some switches changed: objects are merged, lists and single values replaced."""
        return Scenario.of(_merged(self.model_dump(mode="json"), changes))


def shipped() -> dict[str, Path]:
    """Names of the packaged scenarios."""
    return {path.stem: path for path in sorted((Path(__file__).parent / "scenarios").glob("*.yaml"))}


def _merged(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    result = copy.copy(base)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return result

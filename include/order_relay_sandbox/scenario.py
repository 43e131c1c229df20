"""A scenario: all switches of all stand-ins, from YAML, JSON or a mapping. Unknown names are errors."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, create_model

from order_relay_sandbox.discovery import stand_ins
from order_relay_sandbox.stand_in import StandIn, Switches


class Scenario(BaseModel):
    """Behaviour of the simulated vendors, one member for each. Create it with ``of`` or ``load``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0

    if TYPE_CHECKING:

        def __getattr__(self, vendor: str) -> Any: ...

    @classmethod
    def load(cls, path: str | Path) -> Scenario:
        """Read a scenario file (YAML or JSON); raises ``ValueError`` naming each invalid switch."""
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        return cls.of(content or {})

    @classmethod
    def of(cls, switches: Mapping[str, Any] | None = None) -> Scenario:
        """Create from a mapping; raises ``ValueError`` (pydantic's) for unknown or invalid switches."""
        vendors = stand_ins()
        models = tuple((name, found.switches_model) for name, found in vendors.items())
        scenario = _model(models).model_validate(switches or {})
        for name, found in vendors.items():
            _require_purposes(name, found, getattr(scenario, name))
        return scenario

    def changed(self, changes: Mapping[str, Any]) -> Scenario:
        """A copy with some switches changed: objects are merged, lists and single values replaced."""
        return Scenario.of(_merged(self.model_dump(mode="json"), changes))


@cache
def _model(vendors: tuple[tuple[str, type[Switches]], ...]) -> type[Scenario]:
    """The scenario with the switches of these stand-ins."""
    fields: dict[str, Any] = {name: (switches, Field(default_factory=switches)) for name, switches in vendors}
    return create_model("Scenario", __base__=Scenario, **fields)


def _require_purposes(name: str, found: type[StandIn[Any]], switches: Switches) -> None:
    purposes = {route.purpose for route in found.routes()}
    unknown = {fault.purpose for fault in switches.spoil} - purposes
    if unknown:
        raise ValueError(
            f"{name}.spoil: unknown purpose {', '.join(sorted(unknown))}; available: {', '.join(sorted(purposes))}"
        )


def shipped() -> dict[str, Path]:
    """Names of the packaged scenarios."""
    return {path.stem: path for path in sorted((Path(__file__).parent / "scenarios").glob("*.yaml"))}


def _merged(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    result = copy.copy(base)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return result

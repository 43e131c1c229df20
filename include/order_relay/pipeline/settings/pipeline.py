"""The settings of a pipeline: one YAML file each (see ``config_place``), checked before anything is done.

A file is named after its pipeline, ``SOURCE_to_DESTINATION.yaml`` or ``SOURCE_to_DESTINATION__NAME.yaml``, and so is
its DAG. This module is imported at parse time of the DAG files and stays light: pydantic and yaml, no pandas.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, Field, PrivateAttr, ValidationError, model_validator

from order_relay.errors import ConfigurationError
from order_relay.orders.messages import MappingOverrides, VersionPolicies
from order_relay.orders.payload.transform_settings import TransformSettings
from order_relay.pipeline.settings.locations import CONFIG_VARIABLE, IN_AIRFLOW_HOME, config_folder
from order_relay.pipeline.settings.sections import (
    AcknowledgeSettings,
    ChunkSettings,
    DoubtSettings,
    FeedbackSettings,
    LoadSettings,
    MappingSettings,
    PolicySettings,
    ReadingSettings,
    ReconcileSettings,
    RetentionSettings,
    ReviewSettings,
    SettingsSection,
    VendorAccount,
)
from order_relay.pipeline.settings.thresholds import AlertSettings
from order_relay.pipeline.settings.yaml import read_yaml

S = TypeVar("S", bound=BaseModel)

PLACEHOLDER_IP = "192.88.99.1"
"""Stands in the shipped file: public, routed to nobody (the relay anycast address that RFC 7526 took out of use)."""

CONNECTION_SETTINGS = ("manufacturer_id", "status_field", "status_values")
"""Transform settings that belong to the destination's connection and may not stand in a file."""

UNKNOWN_ACCOUNT: Mapping[str, Any] = {"manufacturer_id": 1, "catalog_id": 0}
"""Stand-ins for what only the destination's connection says, where the rest of the settings is read or checked."""

_FILE = re.compile(r"(?P<source>[a-z0-9]+)_to_(?P<destination>[a-z0-9]+)(__[A-Za-z0-9_-]{1,60})?")
STATUS_FILE = re.compile(r"(?P<vendor>[a-z0-9]+)_status(__[A-Za-z0-9_-]{1,60})?")
"""How a file is named that is about no pipeline: an account that only tells what becomes of orders."""
_CRON_FIELD = r"[0-9A-Za-z*/,#-]+"
_CRON = re.compile(rf"{_CRON_FIELD}( {_CRON_FIELD}){{4}}")


def _checked_cron(value: str | None) -> str | None:
    """The schedule as it is. Raises ``ValueError`` where it is neither a cron expression nor null."""
    if value is not None and not _CRON.fullmatch(value):
        raise ValueError("must be a cron expression of five fields, such as '*/15 * * * *', or null for none")
    return value


Cron = Annotated[str | None, AfterValidator(_checked_cron)]
"""A schedule: five fields, or null for none."""


class PipelineSettings(SettingsSection):
    """One pipeline: a source account, a destination account, and all that a firm decides about the way between."""

    name: str
    source: VendorAccount
    destination: VendorAccount
    schedule: Cron = "*/15 * * * *"
    # Nothing leaves by surprise: a pipeline is live only where its file says so.
    mode: Literal["live", "shadow"] = "shadow"
    policies: PolicySettings = PolicySettings()
    transform: dict[str, Any] = Field(default_factory=dict)
    mapping: MappingSettings = MappingSettings()
    tables: dict[str, dict[str, Any]] = Field(default_factory=dict)
    reading: ReadingSettings = ReadingSettings()
    chunks: ChunkSettings = ChunkSettings()
    load: LoadSettings = LoadSettings()
    acknowledge: AcknowledgeSettings = AcknowledgeSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    doubt: DoubtSettings = DoubtSettings()
    review: ReviewSettings = ReviewSettings()
    reconcile: ReconcileSettings = ReconcileSettings()
    retention: RetentionSettings = RetentionSettings()
    alerts: AlertSettings = AlertSettings()
    _file: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _named_after_its_vendors(self) -> PipelineSettings:
        match = _FILE.fullmatch(self.name)
        if not match:
            raise ValueError("the file's name must be SOURCE_to_DESTINATION.yaml or SOURCE_to_DESTINATION__NAME.yaml")
        for side in ("source", "destination"):
            if getattr(self, side).vendor != match[side]:
                raise ValueError(f"{side}.vendor must be {match[side]!r}, as in the file's name")
        return self

    @property
    def shadow(self) -> bool:
        """Whether every run does everything but sending and acknowledging."""
        return self.mode == "shadow"

    @property
    def engine_policies(self) -> VersionPolicies:
        """The policies as the engine takes them."""
        return VersionPolicies(**self.policies.model_dump())

    def transform_settings(self, account: Mapping[str, Any]) -> TransformSettings:
        """What the transformation takes: this file and what the destination's connection says (``account``).

        Raises ``ConfigurationError`` naming the file and each wrong key.
        """
        overrides = MappingOverrides(**self.mapping.model_dump(), tables=self.tables)
        where = f"{self._file or self.name}: transform"
        for key in (*CONNECTION_SETTINGS, "overrides"):
            if key in self.transform:
                home = "mapping and tables" if key == "overrides" else f"connection {self.destination.connection!r}"
                raise ConfigurationError(f"{where}.{key}: does not stand here but in {home}")
        return TransformSettings.load({**account, **self.transform, "overrides": overrides}, where, self._file)

    def remarks(self) -> list[str]:
        """What is allowed but should not stay so in real use."""
        found = []
        if self.transform.get("customer_ip") == PLACEHOLDER_IP:
            found.append(f"{self._file}: transform.customer_ip is still the placeholder; put your public address there")
        if self.shadow:
            found.append(
                f"{self._file}: mode is shadow: nothing is sent or acknowledged, runs only report what they would "
                "send; to go live, set 'mode: live'"
            )
        return found


def pipeline_files(folder: Path | None = None) -> dict[str, Path]:
    """The pipeline files by name, unread: each name becomes a DAG. Raises ``ConfigurationError`` where there is no
    folder.
    """
    return {name: path for name, path in _files(folder).items() if not STATUS_FILE.fullmatch(name)}


def status_files(folder: Path | None = None) -> dict[str, Path]:
    """The files of status accounts by name, unread: each name becomes a DAG. Raises as ``pipeline_files``."""
    return {name: path for name, path in _files(folder).items() if STATUS_FILE.fullmatch(name)}


def _files(folder: Path | None) -> dict[str, Path]:
    folder = folder or config_folder()
    if not folder.is_dir():
        raise ConfigurationError(
            f"the folder of pipeline files {str(folder)!r} does not exist; set the environment variable "
            f"{CONFIG_VARIABLE} to yours, or copy the shipped files to $AIRFLOW_HOME/{IN_AIRFLOW_HOME}/"
        )
    return {path.stem: path for path in sorted(folder.glob("*.yaml")) if not path.name.startswith((".", "_"))}


def load_pipeline(name: str, folder: Path | None = None) -> PipelineSettings:
    """One pipeline by its name. Raises ``ConfigurationError`` where there is none or its file is not valid."""
    files = pipeline_files(folder)
    if name not in files:
        raise ConfigurationError(f"there is no pipeline {name!r}; there are: {', '.join(files) or 'none'}")
    return load_file(files[name])


def load_file(path: Path) -> PipelineSettings:
    """Read and check one file. Raises ``ConfigurationError`` naming the file, each wrong key, and what is allowed
    there.
    """
    settings = load_validated(path, PipelineSettings)
    settings._file = path.name
    settings.transform_settings(UNKNOWN_ACCOUNT)
    return settings


def load_validated(path: Path, model: type[S]) -> S:
    """The file's settings in the shape of ``model``, which has a ``name``. Raises as ``load_file``."""
    values = read_yaml(path)
    if "name" in values:
        raise ConfigurationError(f"{path.name}: name: is the file's own name and does not stand in it")
    try:
        return model.model_validate({**values, "name": path.stem})
    except ValidationError as error:
        problems = (_problem(path.name, model, item) for item in error.errors(include_url=False, include_input=False))
        raise ConfigurationError("; ".join(problems)) from None


def _problem(file: str, model: type[BaseModel], item: Mapping[str, Any]) -> str:
    place = tuple(str(part) for part in item["loc"])
    said = str(item["msg"]).removeprefix("Value error, ").replace("Input should", "should")
    if item["type"] == "extra_forbidden":
        said = f"is unknown; allowed here: {', '.join(_keys_at(model, place[:-1]))}"
    elif item["type"] == "missing":
        said = "is missing"
    return f"{file}: {'.'.join(place) or 'settings'}: {said}"


def _keys_at(model: Any, place: tuple[str, ...]) -> list[str]:
    for part in place:
        hint = model.model_fields[part].annotation
        model = next((h for h in (hint, *get_args(hint)) if isinstance(h, type) and issubclass(h, BaseModel)), model)
    return [name for name in model.model_fields if name != "name"]

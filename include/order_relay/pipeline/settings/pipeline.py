"""The settings of a pipeline: one YAML file each (see ``locations``), checked before anything is done.

A file is named after its pipeline, ``SOURCE_to_DESTINATION.yaml`` or ``SOURCE_to_DESTINATION__NAME.yaml``, and so is
its DAG. DAG files import this module at parse time, so it stays light: pydantic and yaml, no pandas.
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
    DeliverySettings,
    DoubtSettings,
    FeedbackSettings,
    HistorySettings,
    LoadSettings,
    MappingSettings,
    OmsStatusSettings,
    PolicySettings,
    PortalFileSettings,
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
T = TypeVar("T", bound=TransformSettings)

_FILE = re.compile(r"(?P<source>[a-z0-9]+)_to_(?P<destination>[a-z0-9]+)(__[A-Za-z0-9_-]{1,60})?")
STATUS_FILE = re.compile(r"(?P<vendor>[a-z0-9]+)_status(__[A-Za-z0-9_-]{1,60})?")
"""File names of status accounts, which report the progress of orders and are no pipelines."""
_CRON_FIELD = r"[0-9A-Za-z*/,#-]+"
_CRON = re.compile(rf"{_CRON_FIELD}( {_CRON_FIELD}){{4}}")


def _checked_cron(value: str | None) -> str | None:
    """The schedule unchanged. Raises ``ValueError`` if it is neither a cron expression nor null."""
    if value is not None and not _CRON.fullmatch(value):
        raise ValueError("must be a cron expression of five fields, such as '*/15 * * * *', or null for none")
    return value


Cron = Annotated[str | None, AfterValidator(_checked_cron)]
"""A schedule: five fields, or null for no schedule."""


class PipelineSettings(SettingsSection):
    """One pipeline: a source account, a destination account, and how orders get from one to the other."""

    name: str
    source: VendorAccount
    destination: VendorAccount
    schedule: Cron = "*/15 * * * *"
    # A pipeline sends nothing unless its file says so.
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
    oms_status: OmsStatusSettings = OmsStatusSettings()
    portal_files: PortalFileSettings = PortalFileSettings()
    history: HistorySettings = HistorySettings()
    files: DeliverySettings = DeliverySettings()
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
        """Whether runs do everything except sending and acknowledging."""
        return self.mode == "shadow"

    @property
    def engine_policies(self) -> VersionPolicies:
        """The policies in the engine's form."""
        return VersionPolicies(**self.policies.model_dump())

    @property
    def file(self) -> str:
        """The name of its file, for messages."""
        return self._file or self.name

    def transform_settings(self, model: type[T], facts: Mapping[str, Any]) -> T:
        """The section ``transform`` as the destination's ``model``. ``facts``: what the connections know.

        Raises ``ConfigurationError`` naming the file and each wrong key.
        """
        overrides = MappingOverrides(**self.mapping.model_dump(), tables=self.tables)
        where = f"{self.file}: transform"
        for key in (*model.connection_only, "overrides"):
            if key in self.transform:
                home = "mapping and tables" if key == "overrides" else f"connection {self.destination.connection!r}"
                raise ConfigurationError(f"{where}.{key}: must not be set here; set it in {home}")
        return model.load({**self.transform, "overrides": overrides}, where, self._file, facts)

    def remarks(self) -> list[str]:
        """Warnings about settings that are valid but not meant for production."""
        if not self.shadow:
            return []
        return [
            f"{self.file}: mode is shadow: nothing is sent or acknowledged, runs only report what they would "
            "send; to go live, set 'mode: live'"
        ]


def pipeline_files(folder: Path | None = None) -> dict[str, Path]:
    """The pipeline files by name, without reading them: each name becomes a DAG.

    Raises ``ConfigurationError`` if the folder does not exist.
    """
    return {name: path for name, path in _files(folder).items() if not STATUS_FILE.fullmatch(name)}


def status_files(folder: Path | None = None) -> dict[str, Path]:
    """The files of status accounts by name, without reading them: each name becomes a DAG. Raises like
    ``pipeline_files``."""
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
    """Load one pipeline by name. Raises ``ConfigurationError`` if there is none or its file is invalid."""
    files = pipeline_files(folder)
    if name not in files:
        raise ConfigurationError(f"unknown pipeline {name!r}; available: {', '.join(files) or 'none'}")
    return load_file(files[name])


def load_file(path: Path) -> PipelineSettings:
    """Read and check one file. Raises ``ConfigurationError`` with the file, each wrong key and the allowed values.

    The section ``transform`` depends on the destination and is checked by ``wiring.transformation.checked``.
    """
    settings = load_validated(path, PipelineSettings)
    settings._file = path.name
    return settings


def load_validated(path: Path, model: type[S]) -> S:
    """The file's settings as ``model``, which has a ``name``. Raises like ``load_file``."""
    values = read_yaml(path)
    if "name" in values:
        raise ConfigurationError(f"{path.name}: `name` is derived from the file name and must not be set")
    try:
        return model.model_validate({**values, "name": path.stem})
    except ValidationError as error:
        problems = (_problem(path.name, model, item) for item in error.errors(include_url=False, include_input=False))
        raise ConfigurationError("; ".join(problems)) from None


def _problem(file: str, model: type[BaseModel], item: Mapping[str, Any]) -> str:
    path = tuple(str(part) for part in item["loc"])
    message = str(item["msg"]).removeprefix("Value error, ").replace("Input should", "should")
    if item["type"] == "extra_forbidden":
        message = f"is unknown; allowed here: {', '.join(_keys_at(model, path[:-1]))}"
    elif item["type"] == "missing":
        message = "is missing"
    return f"{file}: {'.'.join(path) or 'settings'}: {message}"


def _keys_at(model: Any, path: tuple[str, ...]) -> list[str]:
    for part in path:
        hint = model.model_fields[part].annotation
        model = next((h for h in (hint, *get_args(hint)) if isinstance(h, type) and issubclass(h, BaseModel)), model)
    return [name for name in model.model_fields if name != "name"]

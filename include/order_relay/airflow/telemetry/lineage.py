"""Inputs and outputs of order tasks for OpenLineage: the source account, the archive, and the account at the OMS.

The tasks give them to Airflow's hook lineage collector. Airflow's OpenLineage provider reads the collector and calls
``to_openlineage`` for each asset, because our provider info names it for their URI scheme. Without a reader nothing
is collected. Datasets carry names and counts, never an order's data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from order_relay.airflow.assets import SCHEME, orders_asset

if TYPE_CHECKING:
    from airflow.sdk import Asset


@dataclass(frozen=True, slots=True)
class Place:
    """Orders that a task read or wrote, and where: OpenLineage's namespace and name, and a URI. ``size``: in bytes."""

    namespace: str
    name: str
    uri: str
    orders: int
    size: int | None = None


def account(name: str, orders: int) -> Place:
    """A vendor's account. ``name`` is the ledger's: ``myshop:https://shop.example/demo`` becomes the dataset
    ``demo/orders`` in ``myshop://shop.example``."""
    vendor, _, url = name.partition(":")
    parts = urlsplit(url)
    return Place(f"{vendor}://{parts.netloc}", f"{parts.path}/orders".lstrip("/"), url, orders)


def archive(store_url: str, pipeline: str, orders: int, size: int | None = None) -> Place:
    """The archived batches of a pipeline in the batch store, named as OpenLineage names files and objects."""
    uri = f"{store_url.rstrip('/')}/{pipeline}/batches"
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Place("file", unquote(parts.path), uri, orders, size)
    return Place(f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/"), uri, orders, size)


def asset(pipeline: str, orders: int) -> Place:
    """The asset on which other DAGs can be scheduled."""
    return Place(f"{SCHEME}://{pipeline}", "orders", orders_asset(pipeline).uri, orders)


def orders_moved(inputs: Sequence[Place], outputs: Sequence[Place]) -> None:
    """Give the running task's inputs and outputs to Airflow."""
    from airflow.sdk import plugins_manager

    if not plugins_manager.get_hook_lineage_readers_plugins():
        return
    from airflow.sdk.lineage import get_hook_lineage_collector

    collector = get_hook_lineage_collector()
    hook: Any = None  # the collector groups by hook; ours are no Airflow hooks
    for place in inputs:
        collector.add_input_asset(hook, uri=_uri(place), asset_extra={**asdict(place), "side": "input"})
    for place in outputs:
        collector.add_output_asset(hook, uri=_uri(place), asset_extra={**asdict(place), "side": "output"})


def _uri(place: Place) -> str:
    """A URI of our scheme, for which our converter is called, whatever the place's own scheme."""
    return f"{SCHEME}://lineage/{place.namespace.replace('://', '/')}/{place.name.lstrip('/')}"


def to_openlineage(asset: Asset, lineage_context: Any) -> Any:
    """The OpenLineage dataset of an asset of ours: one that was collected, or an outlet of a task.

    Called by the OpenLineage provider. The statistics hold the number of orders as ``rowCount``.
    """
    from openlineage.client.event_v2 import Dataset, InputDataset, OutputDataset
    from openlineage.client.facet_v2 import (
        datasource_dataset,
        input_statistics_input_dataset,
        output_statistics_output_dataset,
    )

    found: dict[str, Any] = dict(asset.extra or {})
    if "namespace" not in found:
        parts = urlsplit(asset.uri)
        return Dataset(f"{SCHEME}://{parts.netloc}", parts.path.lstrip("/"))
    namespace, name = found["namespace"], found["name"]
    counts: dict[str, Any] = {"rowCount": found["orders"], "size": found["size"]}
    facets: Any = {"dataSource": datasource_dataset.DatasourceDatasetFacet(name=namespace, uri=found["uri"])}
    if found["side"] == "input":
        read = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(**counts)
        return InputDataset(namespace, name, facets=facets, inputFacets={"inputStatistics": read})
    written = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(**counts)
    return OutputDataset(namespace, name, facets=facets, outputFacets={"outputStatistics": written})

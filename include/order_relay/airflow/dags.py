"""The DAG of an order pipeline, whatever its vendors are."""

from __future__ import annotations

from airflow.sdk import DAG

from order_relay.airflow.dag_settings import DagSettings, dag_settings
from order_relay.airflow.tasks import orders as tasks


def order_dags(kind: str, doc: str, tags: tuple[str, ...]) -> dict[str, DAG]:
    """One DAG for each pipeline file of a kind (``SOURCE_to_DESTINATION``), by its name; ``doc`` is its page."""
    return {pipeline.name: _order_dag(pipeline, doc, tags) for pipeline in dag_settings(kind)}


def _order_dag(pipeline: DagSettings, doc: str, tags: tuple[str, ...]) -> DAG:
    common = tasks.order_dag_arguments(pipeline.name, doc, tags=tags)
    with DAG(schedule=tasks.interval_timetable(pipeline.schedule), **common) as dag:
        batch = tasks.extract(pipeline.name)
        validated = tasks.validate(pipeline.name, batch)
        winners = tasks.dedupe(pipeline.name, validated)
        chunks = tasks.transform(pipeline.name, winners)
        loaded = tasks.load.override(max_active_tis_per_dagrun=pipeline.parallel).partial(pipeline=pipeline.name)
        loaded.expand(chunk=chunks) >> tasks.acknowledge(pipeline.name) >> tasks.report(pipeline.name)
    return dag

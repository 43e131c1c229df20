"""### Quarantined and rejected orders, again

An order is **quarantined** when our own checks refuse it, and **rejected** when the OMS refuses it. This DAG is for
afterwards: a mapping, a code table or a schema was mended, or somebody decided that the orders will never be sent. It
runs only when triggered, and the form asks which orders, what to do, and why.

| task | does |
|---|---|
| **choose** | finds the quarantined and rejected orders that the form means; skipped where there is none |
| **carry_out** | one task a pipeline: `replay` brings them back and judges them from the archive, `discard` ends them |

**Judged at once, sent later.** A replay goes through schema, versions and payload here and now, with today's mapping,
and nothing is sent: what passes is `ready`, and the next run of its pipeline sends it. Whatever else stands `received`
in the pipeline is judged with it. What fails again is quarantined again; the report (in the log of *carry_out* and as
`report.md` in the batch store) names each such order with every reason.

**A discarded order** is acknowledged by the next run, so that the source stops offering it. If the source ever offers
it with other content, it is held for a person.

**The same order twice?** No: a rejected order was not stored by the OMS, and what the ledger knows as sent is never
brought back by a replay.

**People on call**: `python -m order_relay quarantine`, `replay`, `discard`.
"""

from __future__ import annotations

from airflow.sdk import DAG

from order_relay.airflow_bindings import upkeep_tasks as tasks

with DAG(
    schedule=None,
    params=tasks.replay_params(),
    **tasks.dag_arguments("quarantine_replay", __doc__ or ""),
) as dag:
    tasks.carry_out.expand(pipeline=tasks.choose())

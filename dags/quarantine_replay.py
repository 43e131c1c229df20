"""### Replay or discard quarantined and rejected orders

An order is **quarantined** if our own checks refuse it, and **rejected** if the OMS refuses it. Use this DAG after a
mapping, a code table or a schema was fixed, or when the orders will never be sent. It runs only when triggered; the
form asks which orders, what to do, and why.

| task | does |
|---|---|
| **choose** | finds the quarantined and rejected orders that match the form; skipped if there are none |
| **carry_out** | one task per pipeline: `replay` evaluates them again from the archive, `discard` ends them |

**Evaluated now, sent later.** A replay applies schema, versions and payload checks with the current mapping, and sends
nothing: orders that pass are `ready`, and the next run of their pipeline sends them. All other orders that are
`received` in the pipeline are evaluated as well. Orders that fail are quarantined again; the report (in the log of
*carry_out* and as `report.md` in the batch store) names each such order with every reason.

**A discarded order** is acknowledged by the next run, so that the source stops offering it. If the source offers it
again with other content, it is held for an operator.

**Can an order be sent again by mistake?** No. A rejected order was not stored by the OMS, and a replay never brings
back what the ledger knows as sent.

**Commands**: `order-relay quarantine`, `replay`, `discard`.
"""

from __future__ import annotations

from airflow.sdk import DAG

from order_relay.airflow.dags import dag_arguments
from order_relay.airflow.tasks import replay

with DAG(
    schedule=None,
    params=replay.replay_params(),
    **dag_arguments("quarantine_replay", __doc__ or ""),
) as dag:
    replay.carry_out.expand(pipeline=replay.choose())

"""### sample → shipstation

Reads orders from `sample`, sends each one to `shipstation` exactly once, and acknowledges at the source what was
taken over. There is one DAG per file `sample_to_shipstation*.yaml` in the folder of pipeline files.

| task | does |
|---|---|
| **extract** | reads the orders, archives them without card data, enters each into the ledger |
| **validate** | checks each order against its schema; a bad one is quarantined with every reason, the others proceed |
| **dedupe** | chooses one version of each order; unclear cases are held for an operator |
| **transform** | builds the payloads and divides what is ready into chunks |
| **load** | one task per chunk: looks up orders in doubt, then sends every ready one |
| **acknowledge** | acknowledges settled orders; also runs if a chunk failed |
| **report** | runs the accounting check and decides whether the run is green |

**Green** means the pipeline worked. Quarantined, rejected, held, waiting or doubtful orders are listed in the report
and do not turn a run red. **Red** means that a task failed after its retries, or that the accounting check failed.

**Shadow mode** is the setting at first (`mode: shadow`): nothing is sent or acknowledged. To go live, set `mode: live`
in the pipeline file. **To stop sending**, set the Variable `order_relay_stop` to `true`.

**Commands**: `order-relay report`, `order NUMBER`, `quarantine`, `held`, `doubt`, `doctor`.
"""

from __future__ import annotations

from order_relay.airflow.dags import order_dags

globals().update(order_dags("sample_to_shipstation", __doc__ or "", ("sample", "shipstation")))

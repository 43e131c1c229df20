"""``scripts/cluster.sh``: the cluster with the simulated vendors, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence

from local_airflow import CommandError, fresh_home, live_files, pipeline_files, pipeline_of, sandbox, say

from cluster.cluster import ADMIN, STORE, RunningCluster, running_cluster


def main(arguments: Sequence[str] | None = None) -> int:
    """Start everything, print the addresses, and wait."""
    options = parser().parse_args(arguments)
    pipeline = pipeline_of(options.source)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # ends what was started, as Ctrl-C does
    home = fresh_home(".cluster")
    live = live_files(home / "config", pipeline_files())
    with (
        sandbox(home, options.orders, options.seed, "--source", options.source) as vendors,
        running_cluster(home, vendors, port=options.port, pgbouncer=options.pgbouncer, extra=live, say=say) as cluster,
    ):
        say(_welcome(cluster, vendors, pipeline))
        return _watch(cluster)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="scripts/cluster.sh", description="A cluster on this machine, until Ctrl-C.")
    made.add_argument("--source", default="supercat", help="vendor that offers the orders (default: %(default)s)")
    made.add_argument("--orders", type=int, default=300, help="number of simulated orders (default: %(default)s)")
    made.add_argument("--seed", type=int, default=7, help="same seed, same orders")
    made.add_argument("--port", type=int, default=0, help="port of the web interface; 0 selects 8080 or a free one")
    made.add_argument(
        "--pgbouncer", action="store_true", help="PgBouncer in transaction mode between Order Relay and the ledger"
    )
    return made


def _welcome(cluster: RunningCluster, vendors: str, pipeline: str) -> str:
    return f"""
The cluster is ready.

  order desk   {cluster.url}/plugin/orders
  DAG          {cluster.url}/dags/{pipeline}
  user         {ADMIN}
  password     {cluster.password}

  ledger       {cluster.ledger_url}
  batch store  {STORE} on http://127.0.0.1:{cluster.store.port}
  broker       redis://127.0.0.1:{cluster.redis.port}/0
  vendors      {vendors}/_audit
  logs         {cluster.home.name}/

  The pipelines are live, but reach only the simulated vendors. DAGs are paused
  until you unpause them.

Ctrl-C stops everything.
"""


def _watch(cluster: RunningCluster) -> int:
    """Wait for Ctrl-C; fails if a server stopped unexpectedly."""
    try:
        while True:
            cluster.check_alive(servers_only=True)
            for name in cluster.restart_ended():
                say(f"{name} ended and is started again; see {cluster.home.name}/{name}.log")
            time.sleep(1)
    except KeyboardInterrupt:
        say("\nStopping ...")
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # another Ctrl-C must not leave processes behind
        return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CommandError as trouble:
        sys.stderr.write(f"{trouble}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)

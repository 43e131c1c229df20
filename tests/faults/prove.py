"""The long profile of the fault suite: every point, on every database, as a Markdown table. ``make prove``.

``--only NAME`` tries a part, ``--pair SOURCE-DESTINATION`` a pair of vendors (both may be repeated); ``--at-once N``
is how many trials run together; ``--every N`` takes each N-th trial of a line; ``--minutes N`` starts no trial after
that time (skipped trials are reported). Ends with 1 where an order was lost or duplicated or another guarantee failed;
details are below the table.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from order_relay.cli.output import progress
from order_relay.ledger import migrate
from tests.support.databases import Cluster, postgres_bin
from tests.support.faults.case import Case
from tests.support.faults.cases import CASES, SAMPLE_CASES
from tests.support.faults.forks import Forks
from tests.support.trials import concurrency as two_trials
from tests.support.trials import crashes as crash_trials
from tests.support.trials import lookups as lookup_trials
from tests.support.trials import lost_answers as lost_trials
from tests.support.trials import oms_status as oms_trials
from tests.support.trials import statuses as status_trials
from tests.support.trials import web_shop as shop_trials

T = TypeVar("T")
Trial = dict[str, Any]
KINDS = ("sqlite", "postgres")


@dataclass
class Row:
    """One line of the table. ``late``: orders offered or reported as shipped after their cancellation was known."""

    fault: str
    tried: int = 0
    lost: int = 0
    doubled: int = 0
    in_doubt: int = 0
    late: int = 0
    broken: list[str] = field(default_factory=list)

    def add(self, result: Trial, what: str) -> None:
        """Count one trial's verdict; ``tried`` is how many faults it held, one where it does not say."""
        verdict = result["verdict"]
        self.tried += result.get("tried", 1)
        self.lost += len(verdict["lost"])
        self.doubled += len(verdict["doubled"])
        self.in_doubt += len(verdict["in_doubt"])
        self.late += len(result.get("late", ()))
        if result["faults"]:
            self.broken.append(f"{self.fault}, {what}: {json.dumps(result['faults'])}")


@dataclass
class Bound:
    """How much is tried: each ``every``-th trial, and nothing new after ``until`` (``time.monotonic()``)."""

    every: int = 1
    until: float = float("inf")
    left_out: int = 0

    def chosen(self, trials: list[T], at_a_time: int = 100) -> Iterator[list[T]]:
        """The trials to run, in groups; counts those skipped for lack of time."""
        some = trials[:: self.every]
        for at in range(0, len(some), at_a_time):
            if time.monotonic() > self.until:
                self.left_out += len(some) - at
                return
            yield some[at : at + at_a_time]


class Prover:
    """Runs the trials; gives the rows one after another."""

    def __init__(self, forks: Forks, cluster: Cluster, folder: Path, bound: Bound) -> None:
        self.forks, self.cluster, self.folder, self.bound = forks, cluster, folder, bound
        self._number = 0
        migrate(f"sqlite:///{folder}/template.sqlite")
        cluster.make_template()

    def ledger(self, kind: str) -> str:
        """A fresh ledger."""
        self._number += 1
        if kind == "sqlite":
            path = self.folder / f"ledger-{self._number}.sqlite"
            shutil.copy(self.folder / "template.sqlite", path)
            return f"sqlite:///{path}"
        return self.cluster.copy_template(f"prove_{os.getpid()}_{self._number}")

    def row(self, fault: str, function: str, trials: list[Trial], what: Callable[[Trial], str]) -> Row:
        """Run the trials of one line, a hundred databases at a time."""
        row = Row(fault)
        for chosen in self.bound.chosen(trials):
            some = [{**t, "ledger_url": self.ledger(t["kind"])} if "kind" in t else t for t in chosen]
            for result in self.forks.run(function, some):
                row.add(result, what(result))
            self._clear(some)
        return row

    def _clear(self, trials: list[Trial]) -> None:
        for url in (t.get("ledger_url", "") for t in trials):
            if url.startswith("postgres"):
                name = url.rpartition("/")[0].rpartition("/")[2] if "?" not in url else url.partition("@/")[2]
                self.cluster.admin(f"DROP DATABASE {name.partition('?')[0]} WITH (FORCE)")

    def crashes(self, case: Case) -> Iterator[Row]:
        """Every failpoint call of every act, on both databases."""
        acts = crash_trials.acts(case)
        found = self.forks.run("crashes:discover", [{"case": case.name, "act": act} for act in acts])
        for act, failpoints in zip(acts, found, strict=True):
            for kind in KINDS:
                trials = [
                    {"case": case.name, "act": act, "point": point, "number": number, "kind": kind}
                    for point, number in crash_trials.every(failpoints)
                ]
                yield self.row(
                    f"SIGKILL at each failpoint: {act}, {kind}",
                    "crashes:crash",
                    trials,
                    lambda r: f"{r['point']} {r['number']}",
                )

    def lost_answers(self, case: Case) -> Iterator[Row]:
        """Every search with every lost answer, at destinations that treat doubles in every way."""
        for search in case.destination.searches:
            trials = [
                {"case": case.name, "search": search, "effect": effect, "switches": switches}
                for effect in lost_trials.EFFECTS
                for switches in case.destination.duplicates
            ]
            yield self.row(
                f"lost answers, search: {search}",
                "lost_answers:lose",
                trials,
                lambda r: f"{r['effect']} {r['switches']}",
            )

    def lying_searches(self, case: Case) -> Iterator[Row]:
        """A lost ledger, with a destination whose search gives wrong results."""
        trials = [{"case": case.name, **trial} for trial in lookup_trials.product(case)]
        yield self.row("lost ledger, faulty search", "lookups:forget", trials, lambda r: str(r["lie"]))

    def two_at_once(self, case: Case) -> Iterator[Row]:
        """Several concurrent workers, repeatedly; and a worker suspended at each failpoint."""
        for kind in KINDS:
            trials = [
                {"case": case.name, "workers": 2 + number % 3, "lead_s": (number % 7) / 10, "kind": kind}
                for number in range(30)
            ]
            yield self.row(f"concurrent workers, {kind}", "concurrency:together", trials, lambda r: f"{r['lead_s']}")
            asleep = [{"case": case.name, "point": point, "kind": kind} for point in two_trials.pauses(case)] * 3
            yield self.row(
                f"a worker sleeps through its lease, {kind}", "concurrency:pause", asleep, lambda r: r["point"]
            )

    def storage(self, case: Case) -> Iterator[Row]:
        """Failing writes, full disks, locks, spoiled objects, and restarts of the database."""
        name = case.name
        found = self.forks.run("crashes:discover", [{"case": name, "act": "first run"}])[0]
        points = [p for p in found if p.startswith(("before store", "before ledger"))]
        yield self.row(
            "writes fail from some point on",
            "storage:failing",
            [{"case": name, "point": p} for p in points],
            lambda r: r["point"],
        )
        limits = [0, 500, *range(1_000, 500_000, 20_000)]
        yield self.row(
            "disk full",
            "storage:full_disk",
            [{"case": name, "limit": n} for n in limits],
            lambda r: str(r["limit"]),
        )
        for kind in KINDS:
            yield self.row(
                f"read-only ledger, {kind}",
                "storage:read_only",
                [{"case": name, "kind": kind}],
                lambda r: r["kind"],
            )
            yield self.row(
                f"ledger locked, {kind}",
                "storage:locked",
                [{"case": name, "kind": kind, "seconds": s} for s in (0.5, 1, 2, 3, 5)],
                lambda r: str(r["seconds"]),
            )
        yield self._restarts("PostgreSQL restarted during load", "storage:restarted", {"case": name})

    def _restarts(self, fault: str, function: str, params: Trial) -> Row:
        row = Row(fault)
        for [number] in self.bound.chosen(list(range(5)), 1):
            marker = self.folder / f"{function.partition(':')[0]}-{params.get('case', '')}-{number}"
            trial = {**params, "ledger_url": self.ledger("postgres"), "marker": str(marker)}
            self.cluster.admin("CHECKPOINT")  # so that the restart takes moments
            done = threading.Event()
            thread = threading.Thread(target=self._restart_after, args=(marker, done))
            thread.start()
            try:
                for result in self.forks.run(function, [trial]):
                    row.add(result, str(number))
            finally:
                done.set()
                thread.join()
        return row

    def _restart_after(self, marker: Path, done: threading.Event) -> None:
        while not marker.exists() and not done.is_set():
            time.sleep(0.02)
        if marker.exists():
            self.cluster.restart()
            marker.with_suffix(".done").touch()

    def hostile(self, case: Case) -> Iterator[Row]:
        """Hostile orders and envelopes."""
        trials = [{"case": case.name, "seed": seed, "number": 60} for seed in range(40)]
        yield self.row("hostile orders", "hostile_input:orders", trials, lambda r: f"seed {r['seed']}")
        answers = [{"case": case.name, "answer": answer} for answer in case.envelopes]
        yield self.row("hostile envelopes", "hostile_input:envelope", answers, lambda r: r["answer"])

    def feedback(self, case: Case) -> Iterator[Row]:
        """Every failpoint of each feedback configuration, lost responses, and several workers."""
        for way in case.feedback:
            trial = {"case": case.name, "way": way}
            found = self.forks.run("feedback:discover", [trial])[0]
            for kind in KINDS:
                trials = [{**trial, "point": p, "number": n, "kind": kind} for p, n in crash_trials.every(found)]
                yield self.row(
                    f"SIGKILL during feedback: {way}, {kind}",
                    "feedback:crash",
                    trials,
                    lambda r: f"{r['point']} {r['number']}",
                )
                workers = [{**trial, "workers": 2 + number % 3, "kind": kind} for number in range(10)]
                yield self.row(
                    f"concurrent feedback: {way}, {kind}",
                    "feedback:together",
                    workers,
                    lambda r: str(r["workers"]),
                )
            yield self.row(
                f"lost answers during feedback: {way}",
                "feedback:lose",
                [{**trial, "effect": effect} for effect in ("done", "none")],
                lambda r: r["effect"],
            )

    def web_shop(self, case: Case) -> Iterator[Row]:
        """Details that cannot be read or vanish, and orders that are cancelled. Of sources that show single orders."""
        if not case.feedback:
            return
        for kind in KINDS:
            struck = [[n, (n + 3) % 10, (n + 6) % 10] for n in range(0, 10, 3)]
            unread = [
                {"case": case.name, "answer": a, "struck": places, "kind": kind}
                for a in shop_trials.UNREADABLE
                for places in struck
            ]
            yield self.row(
                f"details unreadable, {kind}", "web_shop:unread", unread, lambda r: f"{r['answer']} {r['struck']}"
            )
            missing = [
                {"case": case.name, "answer": shop_trials.VANISHING, "struck": places, "kind": kind}
                for places in struck
            ]
            yield self.row(f"details vanish, {kind}", "web_shop:unread", missing, lambda r: str(r["struck"]))
            cancelled = [
                {"case": case.name, "moment": moment, "way": way, "kind": kind}
                for moment, way in product(shop_trials.MOMENTS, case.feedback)
            ]
            yield self.row(
                f"orders cancelled by the shop, {kind}",
                "web_shop:cancelled",
                cancelled,
                lambda r: f"{r['moment']}, {r['way']}",
            )

    def statuses(self, case: Case) -> Iterator[Row]:
        """A status account: every failpoint of its run, and failing storage. There is only one case."""
        if case.name != status_trials.CASE:
            return
        found = self.forks.run("statuses:discover", [{}])[0]
        for kind in KINDS:
            trials = [{"point": p, "number": n, "kind": kind} for p, n in crash_trials.every(found)]
            yield self.row(
                f"SIGKILL at each failpoint: order status, {kind}",
                "statuses:crash",
                trials,
                lambda r: f"{r['point']} {r['number']}",
            )
            yield self.row(
                f"order status: read-only ledger, {kind}",
                "status_storage:read_only",
                [{"kind": kind}],
                lambda r: r["kind"],
            )
            yield self.row(
                f"order status: ledger locked, {kind}",
                "status_storage:locked",
                [{"kind": kind, "seconds": s} for s in (0.5, 2, 5)],
                lambda r: str(r["seconds"]),
            )
            limits = [{"kind": kind, "limit": n} for n in (*range(0, 100, 20), *range(1_000, 1_000_000, 50_000))]
            yield self.row(
                f"order status: disk full, {kind}", "status_storage:full_disk", limits, lambda r: str(r["limit"])
            )
        yield self.row(
            "order status: events withdrawn, deliveries in any order",
            "statuses:withdrawn",
            [{"seed": seed} for seed in range(60)],
            lambda r: f"seed {r['seed']}",
        )
        writes = [{"point": p} for p in found if p.startswith(("before store", "before ledger"))]
        yield self.row(
            "order status: writes fail from some point on",
            "status_storage:failing",
            writes,
            lambda r: r["point"],
        )
        yield self.row("order status: a file is being written", "status_storage:growing", [{}] * 3, lambda r: "")
        yield self.row(
            "order status: a file was cut off",
            "status_storage:cut_off",
            [{"length": n} for n in range(0, len(status_trials.FILE), 5)],
            lambda r: str(r["length"]),
        )
        yield self._restarts("order status: PostgreSQL restarted during a poll", "status_storage:restarted", {})

    def oms_status(self, case: Case) -> Iterator[Row]:
        """The DAG that asks the OMS what became of orders, and its notifications. Of one case."""
        if case.name != oms_trials.CASE:
            return
        found = self.forks.run("oms_status:discover", [{}])[0]
        for kind in KINDS:
            trials = [{"point": p, "number": n, "kind": kind} for p, n in crash_trials.every(found)]
            yield self.row(
                f"SIGKILL at each failpoint: shopatron_status, {kind}",
                "oms_status:crash",
                trials,
                lambda r: f"{r['point']} {r['number']}",
            )
            workers = [{"workers": 2 + number % 3, "kind": kind} for number in range(10)]
            yield self.row(
                f"shopatron_status: concurrent runs, {kind}",
                "oms_status:together",
                workers,
                lambda r: str(r["workers"]),
            )
        for at in oms_trials.PLACES:
            yield self.row(
                f"shopatron_status: wrong answers, {at}",
                "oms_status:answers",
                [{"at": at, "answer": answer} for answer in oms_trials.ANSWERS],
                lambda r: f"{r['at']} {r['answer']}",
            )
        yield self.row(
            "shopatron_status: the OMS contradicts itself",
            "oms_status:contradiction",
            [{"way": way} for way in oms_trials.CONTRADICTIONS],
            lambda r: r["way"],
        )
        yield self.row(
            "shopatron_status: statuses that change back",
            "oms_status:changes",
            [{"words": words} for words in oms_trials.sequences()],
            lambda r: str(r["words"]),
        )


PAIRS = [*CASES, *SAMPLE_CASES]

SAMPLE_PARTS = ("crashes", "lost_answers")
"""The parts that also run on the pairs of the sample vendors."""

PARTS: dict[str, Callable[[Prover, Case], Iterator[Row]]] = {
    "crashes": Prover.crashes,
    "lost_answers": Prover.lost_answers,
    "lying_searches": Prover.lying_searches,
    "two_at_once": Prover.two_at_once,
    "storage": Prover.storage,
    "hostile": Prover.hostile,
    "feedback": Prover.feedback,
    "web_shop": Prover.web_shop,
    "statuses": Prover.statuses,
    "oms_status": Prover.oms_status,
}


def main() -> int:
    """Print the table; 1 where the promise was broken."""
    parser = argparse.ArgumentParser(description="The long profile of the fault suite.")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="a part; may be repeated")
    parser.add_argument(
        "--pair", action="append", choices=[case.name for case in PAIRS], help="a pair of vendors; may be repeated"
    )
    parser.add_argument("--at-once", type=int, default=4, help="trials at a time (default: %(default)s)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each N-th trial of a line (default: all)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing new after that time")
    options = parser.parse_args()
    programs = postgres_bin()
    if programs is None:
        sys.stderr.write("PostgreSQL's server programs (initdb, postgres) are needed\n")
        return 2
    began = time.monotonic()
    cluster, bound = Cluster(programs), Bound(max(1, options.every), began + options.minutes * 60)
    with tempfile.TemporaryDirectory(prefix="order-relay-prove-") as place, Forks(options.at_once) as forks:
        try:
            cluster.start()
            cases = [case for case in PAIRS if not options.pair or case.name in options.pair]
            rows = _rows(Prover(forks, cluster, Path(place), bound), cases, options.only or list(PARTS))
        finally:
            cluster.stop()
    broken = [message for row in rows for message in row.broken]
    _say(f"\n{sum(row.tried for row in rows)} faults in {(time.monotonic() - began) / 60:.0f} minutes")
    if bound.left_out:
        _say(f"{bound.left_out} were not tried: the time was over")
    for message in broken:
        _say(f"- {message[:600]}")
    return 1 if broken or any(row.lost or row.doubled or row.late for row in rows) else 0


def _rows(prover: Prover, cases: list[Case], parts: list[str]) -> list[Row]:
    _say("| fault | times tried | lost | doubled | left in doubt | shipped after its cancellation |")
    _say("|---|---:|---:|---:|---:|---:|")
    rows = []
    with progress("faults tried") as done:
        for case, part in product(cases, parts):
            if case in SAMPLE_CASES and part not in SAMPLE_PARTS:
                continue
            for row in PARTS[part](prover, case):
                row.fault = f"{case.name}: {row.fault}"
                _say(f"| {row.fault} | {row.tried} | {row.lost} | {row.doubled} | {row.in_doubt} | {row.late} |")
                rows.append(row)
                done(row.tried)
    return rows


def _say(message: str) -> None:
    sys.stdout.write(message + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

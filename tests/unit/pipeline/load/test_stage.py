"""Load over a small ledger in memory and a destination that answers by script."""

import time
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, cast

import pytest

from order_relay.batches import BatchStore, DamagedBatchError
from order_relay.errors import ConfigurationError, ThrottledError, TransientError
from order_relay.ledger.schema.records import Claim, InDoubtOrder, PositiveControl, Sendable
from order_relay.orders.identity.traits import OURS, Traits
from order_relay.orders.messages import RunContext, SearchResult, SendOutcome, SendResult
from order_relay.orders.messages import SearchHit as Row
from order_relay.pipeline.load.stage import load
from tests.support.load_options import load_options

CTX = RunContext("p", "run-1")
IMPORTED = SendResult(SendOutcome.IMPORTED, 200, "77")
REJECTED = SendResult(SendOutcome.REJECTED, 400, message="HTTP 400")
DOUBT = SendResult(SendOutcome.IN_DOUBT, 504, message="HTTP 504")
NO_CONNECTION = SendResult(SendOutcome.NOT_SENT, 0, code="ClientConnectorError", message="no connection")
WRONG = SendResult(SendOutcome.CONFIGURATION_ERROR, 404, message="HTTP 404")
LATE = SendResult(SendOutcome.NOT_SENT, code="lease_over")


def Found(oms_id, key, **traits):
    """A row that names our account."""
    return Row(oms_id, key, "", Traits(**{"owner": OURS, **traits}))


def throttle(wait_s=None):
    return SendResult(SendOutcome.THROTTLED, 429, wait_s=wait_s)


def payload_of(i):
    return b'{"externalOrderID":"N-%d"}' % i


class Ledger:
    """States by the rules that load relies on; every move is written down."""

    leases = claims = outcomes = preflight = reconciliation = retention = accounting = property(lambda self: self)

    def __init__(self, number, unproven=()):
        self.state = dict.fromkeys(range(1, number + 1), "ready")
        self.attempt: Counter[int] = Counter()
        self.settled = []
        self.commits = []
        self.unproven_ids = list(unproven)
        self.control = None
        self.found = {}
        self.fail_settle = 0
        self.put = []
        self.held = {}

    @property
    def lookups(self):
        return SimpleNamespace(
            in_doubt=self.in_doubt, record=self.record_lookups, positive_controls=self.positive_controls
        )

    def expire(self, ctx, timeout_s):
        return 0

    def sendable(self, ids):
        return [
            Sendable(i, 1, f"N-{i}", "p/payloads", i - 1, sha256(payload_of(i)).hexdigest(), self.attempt[i], "L")
            for i in ids
            if self.state[i] == "ready"
        ]

    def claim(self, ctx, ids, owner, lease_s, resend_after_s=None):
        self.commits.append(("claim", len(ids)))
        out = {}
        for i in ids:
            if self.state[i] == "ready":
                self.state[i] = "sending"
                self.attempt[i] += 1
                out[i] = Claim(i, self.attempt[i], 2, datetime.now(UTC))
        return out

    def record(self, ctx, results):
        self.commits.append(("settle", len(results)))
        if self.fail_settle:
            self.fail_settle -= 1
            raise TransientError("locked")
        refused: dict[int, None] = {}
        for r in results:
            if self.state[r.id] != "sending" or self.attempt[r.id] != r.attempt:
                refused[r.id] = None
                continue
            self.settled.append(r)
            self.state[r.id] = {"imported": "imported", "rejected": "rejected", "in_doubt": "in_doubt"}.get(
                r.answer.outcome.value, "ready"
            )
        return refused

    def record_and_claim(self, ctx, results, ids, *, owner, lease_s, resend_after_s=None):
        return self.record(ctx, results), self.claim(ctx, ids, owner, lease_s)

    def return_to_received(self, ctx, ids, why):
        self.put = list(ids)
        for i in ids:
            assert self.state[i] in {"rejected", "ready"}
            self.state[i] = "received"
        return len(ids)

    def unverified(self, pipeline):
        return self.unproven_ids

    def positive_controls(self, destination, exclude, shown_after_s):
        return [self.control] if self.control else []

    def by_destination_key(self, destination, keys):
        known = self.control.key if self.control else ""
        return {known: SimpleNamespace(state="imported")} if known in keys else {}

    def run_start_times(self, pipeline):
        return {"run-1": datetime.now(UTC)}

    def hold_key_conflicts(self, ctx, found):
        self.held.update(found)
        for i in found:
            self.state[i] = "held"
        return list(found), []

    def mark_already_imported(self, ctx, found, method):
        self.found.update(found)
        for i in found:
            self.state[i] = "imported"
        return list(found)

    def mark_verified(self, ctx, ids):
        self.unproven_ids = [i for i in self.unproven_ids if i not in ids]

    def batches(self, pipeline):
        return [{"batch_id": "b1"}]

    def in_doubt(self, ids):
        sent = datetime.now(UTC) - timedelta(hours=3)
        return [InDoubtOrder(i, 1, f"N-{i}", 1, sent, None, None) for i in ids if self.state[i] == "in_doubt"]

    def record_lookups(self, ctx, results, quiet_s, max_attempts):
        for result in results:
            if result.finding.kind == "found":
                self.state[result.id] = "imported"
        return {result.id: self.state[result.id] for result in results}


class Store:
    def __init__(self, send, look_up=(), damaged=()):
        self.chunk = {"send": list(send), "look_up": list(look_up)}
        self.damaged = damaged
        self.names = ["p/batches/b1/manifest.json", "p/batches/b0/part-00000.jsonl.gz"]

    def list(self, prefix):
        return (name for name in self.names if name.startswith(f"{prefix}/"))

    def read_json(self, name):
        return self.chunk

    def read_rows(self, name, rows):
        if name in self.damaged:
            raise DamagedBatchError(name)
        return {row: payload_of(row + 1) for row in rows}


class Oms:
    """A destination whose answers come from ``script(key, how often this key came, how many so far)``."""

    account = "oms"
    format = None
    idempotent = False
    search_by = "auto"
    timeout_s = 1.0
    visible_after_s = 0.0

    def __init__(self, script, connections=4, page=None):
        self.script = script
        self.connections = connections
        self.posts = []
        self.pause_until = 0.0
        self.page = page or (lambda keys: SearchResult((), complete=True))
        self.searched = []

    @asynccontextmanager
    async def session(self, share):
        yield self

    async def wait_for_slot(self, max_wait_s):
        left = self.pause_until - time.monotonic()
        if left > max_wait_s:
            raise ThrottledError("paused", left)

    async def send(self, payload, destination_key, *, not_after):
        self.posts.append(destination_key)
        times = self.posts.count(destination_key)
        answer = self.script(destination_key, times, len(self.posts))
        if answer.outcome is SendOutcome.THROTTLED and answer.wait_s:
            self.pause_until = time.monotonic() + answer.wait_s
        return answer

    async def find_by_key(self, keys):
        self.searched.append(list(keys))
        return self.page(keys)

    async def find_any(self):
        return self.page([])

    async def read_order(self, oms_id):
        return SearchResult((), complete=False, problem="http_404")

    def expected_traits(self, payload):
        return Traits()

    async def find_by_window(self, start, end):
        return SearchResult((), complete=False, problem="unsupported")


def run(ledger, oms, *, store=None, **options):
    options.setdefault("lookup_before_send", "auto")
    return load(CTX, ledger, cast(BatchStore, store or Store(ledger.state)), oms, "chunk", load_options(**options))


def test_every_order_is_claimed_posted_once_and_settled():
    ledger, oms = Ledger(300), Oms(lambda *_: IMPORTED)
    counts = run(ledger, oms)
    assert counts == {"imported": 300}
    assert set(ledger.state.values()) == {"imported"}
    assert Counter(oms.posts) == {f"N-{i}": 1 for i in range(1, 301)}
    assert max(number for kind, number in ledger.commits if kind == "claim") > 1, "claims share commits"


def test_no_request_leaves_before_its_claim_is_committed():
    ledger, seen = Ledger(40), []
    oms = Oms(lambda key, *_: seen.append(ledger.state[int(key[2:])]) or IMPORTED)
    run(ledger, oms)
    assert set(seen) == {"sending"}
    assert len(seen) == 40


def test_what_one_order_does_never_stops_the_others():
    answers = {"N-3": REJECTED, "N-5": DOUBT, "N-7": NO_CONNECTION}
    ledger, oms = Ledger(40), Oms(lambda key, *_: answers.get(key, IMPORTED))
    with pytest.raises(TransientError, match="1 orders could not be sent"):
        run(ledger, oms)
    assert (ledger.state[3], ledger.state[5], ledger.state[7]) == ("rejected", "in_doubt", "ready")
    assert Counter(ledger.state.values())["imported"] == 37
    assert len(oms.posts) == 40


def test_a_retry_sends_only_what_is_still_ready():
    ledger = Ledger(10)
    with pytest.raises(TransientError):
        run(ledger, Oms(lambda key, *_: NO_CONNECTION if key == "N-4" else IMPORTED))
    again = Oms(lambda *_: IMPORTED)
    counts = run(ledger, again)
    assert again.posts == ["N-4"]
    assert counts["not_ready"] == 9


def test_wrong_set_up_stops_the_chunk_with_everything_else_ready():
    ledger, oms = Ledger(500), Oms(lambda _k, _a, n: IMPORTED if n < 10 else WRONG)
    with pytest.raises(ConfigurationError, match="refuses every order"):
        run(ledger, oms)
    assert "sending" not in ledger.state.values()
    assert len(oms.posts) < 100
    assert Counter(ledger.state.values())["ready"] == 500 - 9


def test_a_redirect_stops_the_chunk_and_leaves_few_in_doubt():
    ledger, oms = Ledger(500), Oms(lambda *_: SendResult(SendOutcome.IN_DOUBT, 307, message="HTTP 307"))
    with pytest.raises(ConfigurationError, match="redirects"):
        run(ledger, oms, store=Store(ledger.state))
    assert Counter(ledger.state.values())["in_doubt"] <= 4, "few are in flight before the first answer came"


def test_failures_in_a_row_stop_the_chunk():
    ledger, oms = Ledger(500), Oms(lambda _k, _a, n: IMPORTED if n < 10 else DOUBT)
    with pytest.raises(TransientError, match="in a row"):
        run(ledger, oms)
    states = Counter(ledger.state.values())
    assert states["imported"] == 9
    assert 5 <= states["in_doubt"] < 50
    assert states["ready"] + states["in_doubt"] == 491


def test_failures_that_are_not_in_a_row_do_not_stop():
    ledger, oms = Ledger(200), Oms(lambda _k, _a, n: DOUBT if n % 3 == 0 else IMPORTED)
    assert run(ledger, oms)["imported"] == 134


def test_the_first_answers_all_400_put_those_orders_back():
    ledger, oms = Ledger(500), Oms(lambda *_: REJECTED)
    with pytest.raises(ConfigurationError, match="HTTP 400"):
        run(ledger, oms)
    assert len(ledger.put) == len(oms.posts) >= 20
    assert set(ledger.state.values()) == {"ready", "received"}


def test_nineteen_times_400_are_orders_that_are_wrong():
    ledger, oms = Ledger(100), Oms(lambda _k, _a, n: REJECTED if n <= 19 else IMPORTED)
    assert run(ledger, oms) == {"rejected": 19, "imported": 81}
    assert ledger.put == []


def test_throttling_is_waited_out_and_the_order_sent_under_a_new_attempt():
    ledger = Ledger(20)
    oms = Oms(lambda key, times, _n: throttle(0.05) if key == "N-2" and times == 1 else IMPORTED)
    counts = run(ledger, oms)
    assert counts["imported"] == 20
    assert counts["throttled"] == 1
    assert oms.posts.count("N-2") == 2
    assert [r.attempt for r in ledger.settled if r.id == 2] == [1, 2]


def test_a_throttle_beyond_patience_is_left_to_the_retry():
    ledger, oms = Ledger(50), Oms(lambda _k, _a, n: throttle(500.0) if n == 3 else IMPORTED)
    with pytest.raises(ThrottledError) as caught:
        run(ledger, oms, max_wait_s=1)
    assert caught.value.wait_s == 500
    assert set(ledger.state.values()) == {"imported", "ready"}


def test_throttled_without_end_is_given_up_after_max_wait():
    ledger, oms = Ledger(5), Oms(lambda *_: throttle())
    began = time.monotonic()
    with pytest.raises(ThrottledError):
        run(ledger, oms, max_wait_s=0.2)
    assert time.monotonic() - began < 10  # far above the 0.2 seconds, for busy machines; without end otherwise
    assert set(ledger.state.values()) == {"ready"}


def test_stop_before_anything():
    ledger, oms = Ledger(5), Oms(lambda *_: IMPORTED)
    assert run(ledger, oms, stop=lambda: True) == {"stopped": 5}
    assert oms.posts == []


def test_stop_in_the_middle_leaves_the_others_ready():
    pulled = []
    ledger, oms = Ledger(2000), Oms(lambda _k, _a, n: pulled.append(1) if n == 50 else None)
    script = oms.script
    oms.script = lambda *args: script(*args) or IMPORTED
    counts = run(ledger, oms, stop=lambda: bool(pulled), stop_every_s=0.005)
    assert counts["imported"] == len(oms.posts) < 2000
    assert set(ledger.state.values()) == {"imported", "ready"}


def test_a_stop_while_orders_were_looked_up_is_seen_before_the_first_one_leaves():
    asked: list[Any] = []
    ledger, oms = Ledger(5), Oms(lambda *_: IMPORTED)
    assert run(ledger, oms, stop=lambda: bool(asked) or asked.append(1)) == {"stopped": 5}
    assert oms.posts == []


def fails_after(tries, times=10**6):
    """A switch that says "go on" ``tries`` times, and then cannot be read ``times`` times."""
    count = iter(range(10**9))

    def stop():
        if tries <= next(count) < tries + times:
            raise OSError("the API server is away")
        return False

    return stop


@pytest.mark.parametrize("tries", [0, 1])
def test_a_switch_that_cannot_be_read_before_sending_lets_nothing_out(tries):
    ledger, oms = Ledger(5), Oms(lambda *_: IMPORTED)
    with pytest.raises(OSError, match="away"):
        run(ledger, oms, stop=fails_after(tries))
    assert oms.posts == []
    assert set(ledger.state.values()) == {"ready"}


def test_a_switch_that_cannot_be_read_while_sending_stops_after_some_tries():
    ledger, oms = Ledger(6_000), Oms(lambda *_: IMPORTED)
    with pytest.raises(TransientError, match="3 times in a row"):
        run(ledger, oms, stop=fails_after(2), stop_every_s=0.005)
    assert len(oms.posts) < 6_000
    assert set(ledger.state.values()) == {"imported", "ready"}


def test_a_switch_that_cannot_be_read_for_a_moment_stops_nothing():
    ledger, oms = Ledger(3000), Oms(lambda *_: IMPORTED)
    assert run(ledger, oms, stop=fails_after(2, 2), stop_every_s=0.005)["imported"] == 3000


def test_a_switch_that_never_answers_lets_nothing_out():
    ledger, oms = Ledger(5), Oms(lambda *_: IMPORTED)
    with pytest.raises(TransientError, match="could not be read within"):
        run(ledger, oms, stop=lambda: time.sleep(0.2), stop_answer_s=0.01)
    assert oms.posts == []


def test_an_order_whose_lease_was_over_is_tried_again_here():
    ledger, oms = Ledger(3), Oms(lambda key, attempt, _n: LATE if key == "N-1" and attempt < 3 else IMPORTED)
    assert run(ledger, oms)["imported"] == 3


def test_leases_that_are_always_over_do_not_turn_for_ever():
    ledger, oms = Ledger(1), Oms(lambda *_: LATE)
    with pytest.raises(TransientError):
        run(ledger, oms)
    assert len(oms.posts) == 5


def test_an_order_claimed_by_another_worker_is_skipped():
    class Shared(Ledger):
        def claim(self, ctx, ids, owner, lease_s, resend_after_s=None):
            return super().claim(ctx, [i for i in ids if i != 2], owner, lease_s)

    ledger, oms = Shared(5), Oms(lambda *_: IMPORTED)
    assert run(ledger, oms) == {"imported": 4, "not_claimed": 1}


def test_a_ledger_that_is_busy_for_a_while_loses_no_answer():
    ledger, oms = Ledger(30), Oms(lambda *_: IMPORTED)
    ledger.fail_settle = 3
    assert run(ledger, oms)["imported"] == 30


def test_a_ledger_that_stays_away_leaves_the_orders_sending_and_stops():
    ledger, oms = Ledger(200), Oms(lambda *_: IMPORTED)
    ledger.fail_settle = 10**6
    with pytest.raises(TransientError, match="locked"):
        run(ledger, oms, settle_patience_s=0.1)
    assert set(ledger.state.values()) == {"sending", "ready"}
    assert len(oms.posts) < 100


def test_a_damaged_payload_is_not_sent_and_the_others_are():
    damaged = Sendable(4, 1, "N-4", "p/other", 3, "f" * 64, 0, "L")

    class Damaged(Ledger):
        def sendable(self, ids):
            return [damaged if sendable.id == 4 else sendable for sendable in super().sendable(ids)]

    ledger, oms = Damaged(6), Oms(lambda *_: IMPORTED)
    with pytest.raises(TransientError):
        run(ledger, oms)
    assert ledger.state[4] == "received", "its payload is made anew"
    assert Counter(ledger.state.values())["imported"] == 5
    ledger.state[4] = "ready"
    with pytest.raises(TransientError):
        run(ledger, oms, store=Store([4], damaged={"p/other"}))


def test_a_defect_of_the_destination_s_code_costs_one_order_only():
    def script(key, _attempt, _n):
        if key == "N-2":
            raise ZeroDivisionError
        return IMPORTED

    ledger, oms = Ledger(10), Oms(script)
    with pytest.raises(TransientError):
        run(ledger, oms)
    assert ledger.state[2] == "sending", "its fate is unknown: the lease will make it in doubt"
    assert Counter(ledger.state.values())["imported"] == 9


def test_look_ups_come_first():
    ledger = Ledger(4)
    ledger.state[1] = "in_doubt"
    seen = []
    oms = Oms(
        lambda key, *_: seen.append(key) or IMPORTED,
        page=lambda keys: SearchResult((Found("9", "N-1"),), complete=True),
    )
    counts = run(ledger, oms, store=Store([2, 3, 4], [1]))
    assert counts == {"looked_up_found": 1, "imported": 3}
    assert ledger.state[1] == "imported"


def test_dry_run_sends_nothing():
    ledger, oms = Ledger(4), Oms(lambda *_: IMPORTED)
    assert run(ledger, oms, dry_run=True) == {"would_send": 4, "would_look_up": 0}
    assert oms.posts == []


class TestWithAPast:
    def test_found_means_imported_and_the_others_are_sent(self):
        ledger = Ledger(150, unproven=range(1, 151))
        hit = (Found("9", "N-1"),)
        oms = Oms(lambda *_: IMPORTED, page=lambda keys: SearchResult(hit if "N-1" in keys else (), complete=True))
        assert run(ledger, oms) == {"found_before_send": 1, "imported": 149}
        assert ledger.found == {1: "9"}
        assert [len(keys) for keys in oms.searched] == [97, 53]

    def test_a_search_that_fails_keeps_them(self):
        ledger, oms = Ledger(5, unproven=[1, 2]), Oms(lambda *_: IMPORTED)
        oms.page = lambda keys: SearchResult((), complete=False, problem="http_503")
        with pytest.raises(TransientError, match="2 orders"):
            run(ledger, oms)
        assert [ledger.state[i] for i in range(1, 6)] == ["ready", "ready", "imported", "imported", "imported"]

    def test_a_known_order_must_be_seen(self):
        ledger, oms = Ledger(2, unproven=[1, 2]), Oms(lambda *_: IMPORTED)
        ledger.control = PositiveControl("OLD", "5", datetime.now(UTC) - timedelta(hours=1))
        with pytest.raises(TransientError, match="known to be imported is not found"):
            run(ledger, oms)
        oms.page = lambda keys: SearchResult((Found("5", "OLD"),), complete=True)
        assert run(ledger, oms) == {"imported": 2}
        assert oms.searched[-1] == ["N-1", "N-2", "OLD"]

    @pytest.mark.parametrize("problem", ["unsupported", "parameter_ignored"])
    def test_without_a_search_only_a_ledger_without_past_sends(self, problem):
        page = SearchResult((), complete=False, problem=problem)
        ledger, oms = Ledger(2, unproven=[1, 2]), Oms(lambda *_: IMPORTED, page=lambda keys: page)
        ledger.control = PositiveControl("OLD", "5", datetime.now(UTC))
        with pytest.raises(ConfigurationError, match="baseline"):
            run(ledger, oms)
        assert oms.posts == []
        ledger.control = None
        store = Store([1, 2])
        store.names.append("p/batches/b0/manifest.json")
        with pytest.raises(ConfigurationError, match="baseline"):
            run(ledger, oms, store=store)
        assert run(ledger, oms)["sent_without_lookup"] == 2

    def test_an_empty_history_is_decided_once(self):
        """What is imported in a moment is no past for the orders of the next chunk."""
        page = SearchResult((), complete=False, problem="unsupported")
        ledger, oms = Ledger(300, unproven=range(1, 301)), Oms(lambda *_: IMPORTED, page=lambda keys: page)
        assert run(ledger, oms, store=Store(range(1, 201)))["sent_without_lookup"] == 200
        assert len(oms.searched) == 1
        ledger.control = PositiveControl("N-1", "77", datetime.now(UTC))
        assert run(ledger, oms, store=Store(range(201, 301))) == {"imported": 100}

    def test_never_and_always(self):
        ledger, oms = Ledger(3, unproven=[1]), Oms(lambda *_: IMPORTED)
        run(ledger, oms, lookup_before_send="never")
        assert oms.searched == []
        run(Ledger(3), oms, lookup_before_send="always")
        assert oms.searched == [["N-1", "N-2", "N-3"]]

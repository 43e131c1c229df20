import asyncio
import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from order_relay.errors import ConfigurationError, TransientError
from order_relay.ledger.schema.records import AttemptResult, Claim
from order_relay.orders.messages import RunContext, SendOutcome, SendResult
from order_relay.pipeline.load import group_commit
from order_relay.pipeline.load.group_commit import GroupCommit

CTX = RunContext("p", "r")


class FakeLedger:
    claims = outcomes = property(lambda self: self)

    def __init__(self):
        self.calls = []
        self.threads = set()
        self.slow = 0.0
        self.bad = {}
        self.errors = []
        self.refuse = set()
        self.began = 0.0

    def _call(self, kind, ids):
        self.threads.add(threading.current_thread().name)
        self.began = time.monotonic()
        self.calls.append((kind, list(ids)))
        time.sleep(self.slow)
        if self.errors:
            raise self.errors.pop(0)
        for i in ids:
            if i in self.bad:
                raise self.bad[i]

    def claim(self, ctx, ids, owner, lease_s, resend_after_s=None):
        self._call("claim", ids)
        return {i: Claim(i, 1, 1, datetime.now(UTC)) for i in ids if i not in self.refuse}

    def record(self, ctx, results):
        self._call("settle", [r.id for r in results])
        return dict.fromkeys(r.id for r in results if r.id in self.refuse)

    def record_and_claim(self, ctx, results, ids, *, owner, lease_s, resend_after_s=None):
        self._call("both", [*(r.id for r in results), *ids])
        claims = {i: Claim(i, 1, 1, datetime.now(UTC)) for i in ids if i not in self.refuse}
        return dict.fromkeys(r.id for r in results if r.id in self.refuse), claims


def settled(i):
    return AttemptResult(i, 1, SendResult(SendOutcome.IMPORTED, 200, "1"))


@pytest.fixture
def fake_ledger():
    return FakeLedger()


def committer(fake_ledger, **more):
    return GroupCommit(fake_ledger, CTX, "me", 30.0, **more)


async def test_many_share_few_commits_in_one_thread(fake_ledger):
    fake_ledger.slow = 0.005
    async with committer(fake_ledger) as c:
        claims = await asyncio.gather(*(c.claim(i) for i in range(100)))
    assert [claim.id for claim, _ in claims] == list(range(100))
    assert len(fake_ledger.calls) <= 3
    assert len(fake_ledger.threads) == 1
    assert threading.current_thread().name not in fake_ledger.threads


async def test_a_batch_has_a_largest_size(fake_ledger):
    async with committer(fake_ledger, most=10) as c:
        await asyncio.gather(*(c.claim(i) for i in range(25)))
    assert [len(ids) for _, ids in fake_ledger.calls] == [10, 10, 5]


async def test_a_full_batch_does_not_wait_for_more(fake_ledger, monkeypatch):
    monkeypatch.setattr(group_commit, "MAX_LINGER_S", 60.0)
    async with committer(fake_ledger, full=2) as c, asyncio.timeout(30):
        await asyncio.gather(c.claim(1), c.claim(2))
    assert fake_ledger.calls == [("claim", [1, 2])]


async def test_outcomes_and_claims_that_wait_together_share_one_commit(fake_ledger):
    fake_ledger.refuse = {3, 4}
    async with committer(fake_ledger) as c:
        before = time.monotonic()
        claims_and_outcomes = await asyncio.gather(c.claim(1), c.settle(settled(2)), c.claim(3), c.settle(settled(4)))
    (claim, not_after), kept, (none, _), refused = claims_and_outcomes
    assert (claim.id, kept, none, refused) == (1, SendOutcome.IMPORTED, None, None)
    assert before + 30 <= not_after <= fake_ledger.began + 30
    assert fake_ledger.calls == [("both", [2, 4, 1, 3])]


@pytest.mark.parametrize("error", [TransientError("locked"), ValueError("one row")])
async def test_where_one_commit_for_both_fails_outcomes_go_first_and_each_kind_has_its_own_error(fake_ledger, error):
    fake_ledger.bad = {1: error}
    async with committer(fake_ledger) as c:
        results = await asyncio.gather(c.claim(1), c.settle(settled(2)), return_exceptions=True)
    assert list(results) == [error, SendOutcome.IMPORTED]
    assert [kind for kind, _ in fake_ledger.calls] == ["both", "settle", "claim"]


async def test_the_lease_is_counted_from_before_the_commit(fake_ledger):
    fake_ledger.slow = 0.05
    async with committer(fake_ledger) as c:
        before = time.monotonic()
        _, not_after = await c.claim(1)
    assert before + 30 <= not_after <= fake_ledger.began + 30


async def test_unavailable_and_refused_data(fake_ledger):
    fake_ledger.refuse = {2}
    async with committer(fake_ledger) as c:
        assert (await c.claim(2))[0] is None
        assert await c.settle(settled(1)) is SendOutcome.IMPORTED
        assert await c.settle(settled(2)) is None


async def test_an_outcome_is_tried_again_while_the_ledger_is_busy(fake_ledger):
    fake_ledger.errors = [TransientError("locked"), TransientError("locked")]
    async with committer(fake_ledger) as c:
        assert await c.settle(settled(1))
    assert len(fake_ledger.calls) == 3


async def test_a_persistently_unreachable_ledger_fails_every_caller(fake_ledger):
    fake_ledger.errors = [TransientError("locked")] * 1000
    async with committer(fake_ledger, patience_s=0.1) as c:
        results = await asyncio.gather(*(c.settle(settled(i)) for i in range(3)), return_exceptions=True)
        assert [type(r) for r in results] == [TransientError] * 3
        claims = await asyncio.gather(c.claim(7), c.claim(8), return_exceptions=True)
        assert [type(r) for r in claims] == [TransientError] * 2
    assert ("claim", [7, 8]) in fake_ledger.calls


async def test_a_claim_is_not_tried_again(fake_ledger):
    fake_ledger.errors = [TransientError("locked")]
    async with committer(fake_ledger) as c:
        with pytest.raises(TransientError):
            await c.claim(1)
    assert len(fake_ledger.calls) == 1


@pytest.mark.parametrize("error", [ValueError("one row"), ConfigurationError("one row")])
async def test_one_bad_row_does_not_take_the_others_with_it(fake_ledger, error):
    fake_ledger.bad = {3: error}
    async with committer(fake_ledger) as c:
        results = await asyncio.gather(*(c.settle(settled(i)) for i in range(5)), return_exceptions=True)
        assert results == [*[SendOutcome.IMPORTED] * 3, error, SendOutcome.IMPORTED]
        claims: list[Any] = await asyncio.gather(*(c.claim(i) for i in range(5)), return_exceptions=True)
        assert [c if isinstance(c, Exception) else c[0].id for c in claims] == [0, 1, 2, error, 4]


async def test_one_who_is_cancelled_does_not_harm_the_others(fake_ledger):
    fake_ledger.slow = 0.02
    async with committer(fake_ledger) as c:
        first, second = asyncio.create_task(c.claim(1)), asyncio.create_task(c.claim(2))
        await asyncio.sleep(0.01)
        first.cancel()
        assert (await second)[0].id == 2


async def test_other_calls_run_between_the_commits(fake_ledger):
    async with committer(fake_ledger) as c:
        assert await c.run(lambda a, b: a + b, 1, b=2) == 3
        with pytest.raises(ZeroDivisionError):
            await c.run(lambda: 1 / 0)

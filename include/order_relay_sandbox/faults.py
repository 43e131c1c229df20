"""Fault rules, which select calls; shared by all vendors.

A rule has a place (``at``), the effect of the request (``effect``) and the response (``answer``). Its selectors decide
which calls it applies to. They are combined with *and*; a rule without selectors applies to every call.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Rule(BaseModel):
    """One fault of a scenario. Vendors restrict ``at`` and ``answer`` to their places and answers.

    ``effect``: ``done`` = the request takes effect before the response, ``none`` = it never does,
    ``later`` = it does after ``later_s``. ``seconds`` applies to the answers ``hang`` and ``slow``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: str
    effect: Literal["done", "none", "later"] = "none"
    answer: str = "ok"
    every: int | None = Field(default=None, ge=1, description="every n-th call at this place")
    first: int | None = Field(default=None, ge=0, description="the first n calls at this place")
    after: int = Field(default=0, ge=0, description="number of calls to skip first")
    orders: tuple[str, ...] | None = Field(default=None, description="only calls about these orders")
    probability: float | None = Field(default=None, ge=0, le=1, description="random, repeatable by seed")
    times: int | None = Field(default=None, ge=0, description="maximum number per order")
    seconds: float = Field(default=30.0, ge=0)
    later_s: float = Field(default=60.0, ge=0)
    retry_after_s: float | None = Field(default=None, ge=0)

    @field_validator("answer", mode="before")
    @classmethod
    def _status_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class RuleBook:
    """The rules of one vendor with their counters. Not thread-safe; used in the server's event loop."""

    def __init__(self, rules: Sequence[Rule], seed: int = 0) -> None:
        self._rules = tuple(rules)
        self._seed = seed
        self._calls: Counter[int] = Counter()
        self._applied: Counter[tuple[int, str]] = Counter()
        self._seen: Counter[tuple[int, str]] = Counter()

    def pick(self, at: str, key: str = "") -> Rule | None:
        """The first rule that applies to this call for order ``key``; every rule of the place counts the call."""
        chosen: Rule | None = None
        for number, rule in enumerate(self._rules):
            if rule.at != at or (rule.orders is not None and key not in rule.orders):
                continue
            self._calls[number] += 1
            if chosen is None and self._applies(number, rule, key):
                self._applied[number, key] += 1
                chosen = rule
        return chosen

    def _applies(self, number: int, rule: Rule, key: str) -> bool:
        call = self._calls[number] - rule.after
        if call < 1 or (rule.first is not None and call > rule.first):
            return False
        if rule.every is not None and call % rule.every:
            return False
        if rule.times is not None and self._applied[number, key] >= rule.times:
            return False
        return rule.probability is None or self._chance(number, key) < rule.probability

    def _chance(self, number: int, key: str) -> float:
        """A random choice by order key and number of calls, so that it is repeatable with concurrent calls."""
        self._seen[number, key] += 1
        return random.Random(f"{self._seed}:{number}:{key}:{self._seen[number, key]}").random()

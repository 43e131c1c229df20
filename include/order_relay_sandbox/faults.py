"""When a fault strikes: rules that pick calls, the same for every vendor.

A rule names a place (``at``), what becomes of the request (``effect``) and what is answered (``answer``); its selectors
say which calls it strikes. Selectors are combined with *and*; a rule without any strikes every call.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Rule(BaseModel):
    """One fault of a scenario. Vendors narrow ``at`` and ``answer`` to the places and answers they know.

    ``effect``: ``done`` = what was asked for takes effect before the answer, ``none`` = it never does,
    ``later`` = it does after ``later_s``. ``seconds`` belongs to the answers ``hang`` and ``slow``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: str
    effect: Literal["done", "none", "later"] = "none"
    answer: str = "ok"
    every: int | None = Field(default=None, ge=1, description="every n-th call at this place")
    first: int | None = Field(default=None, ge=0, description="the first n calls at this place")
    after: int = Field(default=0, ge=0, description="let this many calls pass before counting starts")
    orders: tuple[str, ...] | None = Field(default=None, description="only calls about these orders")
    probability: float | None = Field(default=None, ge=0, le=1, description="by chance, repeatable by seed")
    times: int | None = Field(default=None, ge=0, description="at most so often per order")
    seconds: float = Field(default=30.0, ge=0)
    later_s: float = Field(default=60.0, ge=0)
    retry_after_s: float | None = Field(default=None, ge=0)

    @field_validator("answer", mode="before")
    @classmethod
    def _status_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class RuleBook:
    """The rules of one vendor with their counters. Not thread-safe: belongs to the server's event loop."""

    def __init__(self, rules: Sequence[Rule], seed: int = 0) -> None:
        self._rules = tuple(rules)
        self._seed = seed
        self._calls: Counter[int] = Counter()
        self._struck: Counter[tuple[int, str]] = Counter()
        self._seen: Counter[tuple[int, str]] = Counter()

    def pick(self, at: str, key: str = "") -> Rule | None:
        """The first rule that strikes this call about order ``key``; every rule of the place counts the call."""
        chosen: Rule | None = None
        for number, rule in enumerate(self._rules):
            if rule.at != at or (rule.orders is not None and key not in rule.orders):
                continue
            self._calls[number] += 1
            if chosen is None and self._strikes(number, rule, key):
                self._struck[number, key] += 1
                chosen = rule
        return chosen

    def _strikes(self, number: int, rule: Rule, key: str) -> bool:
        call = self._calls[number] - rule.after
        if call < 1 or (rule.first is not None and call > rule.first):
            return False
        if rule.every is not None and call % rule.every:
            return False
        if rule.times is not None and self._struck[number, key] >= rule.times:
            return False
        return rule.probability is None or self._chance(number, key) < rule.probability

    def _chance(self, number: int, key: str) -> float:
        """Depends on the order and on how often it came, not on the order of arrival: repeatable when concurrent."""
        self._seen[number, key] += 1
        return random.Random(f"{self._seed}:{number}:{key}:{self._seen[number, key]}").random()

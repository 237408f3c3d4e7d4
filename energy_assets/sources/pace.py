"""How fast requests may leave: a rate with a burst, lowered when the provider refuses for volume.

Only timing belongs here: no request, no status code.
"""

from __future__ import annotations

import logging

from aiolimiter import AsyncLimiter

SLOWEST = 32
"""At most this many times slower than configured: forty a second become 1.25, slow enough for the one limit that is
documented (100 a minute), and a refresh still ends."""

RECOVER_AFTER = 20
"""Whole answers in a row before the pace doubles again: enough to show that the new pace is borne, few enough that a
refresh of some hundred requests can recover within itself."""

log = logging.getLogger(__name__)


class Pace:
    """A token bucket that halves its rate on refusals and doubles it again after answers.

    While slowed there is no burst, so a refusal takes effect at once. Refusals of requests that left before the last
    change say nothing about the new pace and are not counted again: eight requests refused together halve it once.

    Args:
        per_second: Sustained requests a second.
        burst: Requests that may leave at once after a quiet time, at least 1.

    Attributes:
        slowdown: How many times slower than configured, 1 when undisturbed.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        if per_second <= 0 or burst < 1:
            raise ValueError(f"a pace needs a positive rate and a burst of at least 1, not {per_second} and {burst}")
        self._per_second = per_second
        self._burst = burst
        self._change = 0
        self._answers = 0
        self.slowdown = 1
        self._limiter = self._make_limiter()

    async def turn(self) -> int:
        """Wait until a request may leave; the token returned goes back with its fate."""
        await self._limiter.acquire()
        return self._change

    def refused(self, token: int) -> None:
        """A request was refused for volume: halve the pace, down to ``SLOWEST``."""
        self._answers = 0
        if token == self._change and self.slowdown < SLOWEST:
            self._set(self.slowdown * 2)
            log.warning("the provider refuses for volume: %g requests a second from here", self._rate)

    def answered(self, token: int) -> None:
        """A request was answered whole: after ``RECOVER_AFTER`` of them in a row the pace doubles again."""
        if self.slowdown == 1 or token != self._change:
            return
        self._answers += 1
        if self._answers >= RECOVER_AFTER:
            self._set(self.slowdown // 2)
            log.info("the provider answers again: %g requests a second from here", self._rate)

    @property
    def _rate(self) -> float:
        return self._per_second / self.slowdown

    def _set(self, slowdown: int) -> None:
        self.slowdown = slowdown
        self._change += 1
        self._answers = 0
        self._limiter = self._make_limiter()

    def _make_limiter(self) -> AsyncLimiter:
        burst = self._burst if self.slowdown == 1 else 1
        return AsyncLimiter(burst, burst / self._rate)

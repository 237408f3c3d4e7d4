"""Calls that come at once are answered together.

A store whose every call takes seconds is asked once for all that wait, as a database commits a group of transactions
with one write. What the work is belongs to the caller.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass
class _Ticket(Generic[Item, Answer]):
    item: Item
    weight: int
    answer: Answer | None = None
    error: Exception | None = None
    done: bool = False


class Gathering(Generic[Item, Answer]):
    """Answers items in groups: whoever comes first works for all that have gathered by then, in order of arrival.

    Args:
        work: Answers a group, one answer for each item, in order.
        weigh: Weight of an item.
        most: Greatest weight of a group; an item above it goes alone.
        divides: Whether after an error of a group's work each item is to be tried by itself, so that one bad item harms
            no other: only where the work has certainly not been done, and where no time has been lost over it.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Answer]],
        weigh: Callable[[Item], int],
        most: int,
        *,
        divides: Callable[[Exception], bool],
    ) -> None:
        self._work = work
        self._divides = divides
        self._weigh = weigh
        self._most = most
        self._waiting: list[_Ticket[Item, Answer]] = []
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def ask(self, item: Item) -> Answer:
        """The item's answer; waits for the group that it becomes part of.

        Raises:
            Exception: What the work raised for this item.
        """
        ticket: _Ticket[Item, Answer] = _Ticket(item, self._weigh(item))
        with self._lock:
            self._waiting.append(ticket)
        while not ticket.done:
            with self._turn:
                if not ticket.done:
                    self._answer(self._take())
        if ticket.error is not None:
            raise ticket.error
        return cast("Answer", ticket.answer)

    def _take(self) -> list[_Ticket[Item, Answer]]:
        with self._lock:
            taken = [self._waiting.pop(0)]
            total = taken[0].weight
            while self._waiting and total + self._waiting[0].weight <= self._most:
                taken.append(self._waiting.pop(0))
                total += taken[-1].weight
            return taken

    def _answer(self, group: Sequence[_Ticket[Item, Answer]]) -> None:
        try:
            answers = self._work([ticket.item for ticket in group])
        except Exception as error:
            if len(group) > 1 and self._divides(error):
                for ticket in group:
                    self._answer([ticket])
                return
            # Not swallowed: it is raised again in each caller that asked.
            for ticket in group:
                ticket.error, ticket.done = error, True
            return
        for ticket, answer in zip(group, answers, strict=True):
            ticket.answer, ticket.done = answer, True

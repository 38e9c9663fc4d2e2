"""Small requests that arrive while others are answered are read, scored and written together.

A table of one row costs nearly as much to parse and score as one of thirty: Python's own work does not grow with rows.
Nobody waits for others to arrive. What a request is answered does not depend on its company: one that cannot be read
together with others is read alone, so that its error is its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from starlette.concurrency import run_in_threadpool

from genomicslearning.endpoint import wire
from genomicslearning.training_set.schema import SITE_COLUMNS

if TYPE_CHECKING:
    from genomicslearning.autopilot.model import Model

T = TypeVar("T")
#: Bytes of a body up to which it may share a table with others, and how many may.
SMALL_BYTES, MOST = 64 << 10, 64


@dataclass(frozen=True)
class Asked:
    """A request: its body, and the formats in which it came and wants its answer."""

    body: bytes
    content_type: str
    outputs: tuple[str, ...]
    kind: str


@dataclass(frozen=True)
class Answered:
    """An answer's text, and how many rows it has."""

    content: bytes
    rows: int


class Together:
    """Answers requests in the order in which they came, all that wait at a time.

    Parameters
    ----------
    model : what answers.
    turns : held while it works, so that large requests and these share the cores.
    """

    def __init__(self, model: Model, turns: asyncio.Semaphore):
        self._model, self._turns = model, turns
        self._waiting: deque[tuple[Asked, asyncio.Future[Answered]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def answer(self, asked: Asked) -> Answered:
        """The answer; raises what `answer` raises for this request alone."""
        future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            async with self._turns:
                batch = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
                found = await run_in_threadpool(answer_all, self._model, [asked for asked, _ in batch])
            for (_, future), answered in zip(batch, found, strict=True):
                if future.done():  # its client has left
                    continue
                if isinstance(answered, Exception):
                    future.set_exception(answered)
                else:
                    future.set_result(answered)


def answer(model: Model, asked: Asked) -> Answered:
    """The answer to one request.

    Raises
    ------
    InputError
        The request cannot be read.
    """
    table = wire.read_rows(asked.body, asked.content_type)
    predicted = wire.predictions(model.predict(table), model.threshold)
    return Answered(wire.write_predictions(predicted, asked.outputs, asked.kind), len(table))


def answer_all(model: Model, batch: list[Asked]) -> list[Answered | Exception]:
    """The answer to each request, or what it raises."""
    alike: dict[tuple, list[int]] = {}
    for number, asked in enumerate(batch):
        alike.setdefault(_key(asked), []).append(number)
    found: dict[int, Answered | Exception] = {}
    for key, numbers in alike.items():
        several: list[Answered] | list[Answered | Exception] | Exception | None = None
        if key and len(numbers) > 1:
            several = _caught(_joined, model, [batch[number] for number in numbers])
        if several is None or isinstance(several, Exception):
            several = [_caught(answer, model, batch[number]) for number in numbers]
        found |= zip(numbers, several, strict=True)
    return [found[number] for number in range(len(batch))]


def _caught(work: Callable[..., T], *arguments: object) -> T | Exception:
    try:
        return work(*arguments)
    except Exception as problem:
        return problem


def _key(asked: Asked) -> tuple:
    """Equal for requests that can be read as one table; empty for one that stays alone."""
    if not asked.content_type.startswith(wire.CSV) or asked.kind == wire.JSON:
        return ()
    header, _ = _split(asked.body)
    return asked.content_type, asked.outputs, asked.kind, header


def _split(body: bytes) -> tuple[bytes, list[bytes]]:
    """The header line (empty without one) and the lines of rows."""
    lines = [line for line in body.split(b"\n") if line.strip()]
    named = set(lines[0].decode("utf-8", "replace").replace('"', "").strip().split(",")) if lines else set()
    return (lines[0], lines[1:]) if named >= set(SITE_COLUMNS) else (b"", lines)


def _joined(model: Model, batch: list[Asked]) -> list[Answered] | None:
    """Answers of requests read as one table; None where they cannot be told apart in it. Raises where one is at fault.

    A quote that one request leaves open would swallow lines of the next: then there are fewer rows than lines.
    """
    header, _ = _split(batch[0].body)
    rows = [_split(asked.body)[1] for asked in batch]
    lines = [line for own in rows for line in own]
    table = wire.read_rows(b"\n".join([header, *lines] if header else lines) + b"\n", batch[0].content_type)
    if len(table) != len(lines) or not all(rows):
        return None
    predicted = wire.predictions(model.predict(table), model.threshold)
    written = wire.write_predictions(predicted, batch[0].outputs, batch[0].kind).splitlines(keepends=True)
    answers, start = [], 0
    for own in rows:
        answers.append(Answered(b"".join(written[start : start + len(own)]), len(own)))
        start += len(own)
    return answers

"""Blocks of lines with the rows of their usual records, in order, made by two processes where that pays."""

from __future__ import annotations

import pickle
from array import array
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from genomicslearning import InputError
from genomicslearning.io.second_process import MOST_BYTES, SecondProcess, pays
from genomicslearning.training_set.rows import RowMaker
from genomicslearning.training_set.usual import SELF_CLASSIFIED, UsualRows

# Blocks that are read before a second process begins, some 16 MB of text: from them it knows the order of the INFO keys
# and the review statuses, and a small file is done.
_FIRST_BLOCKS = 128
# Blocks whose rows wait for those of an earlier one.
_MOST_WAITING = 24


class Block(NamedTuple):
    """Some lines: with their `partners` in ClinVar's file, the number of the `first` in theirs, and whether all are
    `plain` (ASCII without NUL bytes)."""

    lines: list[bytes]
    partners: Sequence
    first: int
    plain: bool


def with_usual_rows(blocks: Iterable[Block], maker: RowMaker) -> Generator[tuple[Block, UsualRows]]:
    """Each block with the rows of its usual records, for `RowMaker.take`, in order.

    A second process makes the rows of the blocks that it has time for, this one those of the others; what each record
    counts for is up to who takes them. An error in reading is raised behind the blocks before it.
    """
    coming = iter(blocks)
    for block in islice(coming, _FIRST_BLOCKS):
        yield block, _usual(maker, block)
    following = list(islice(coming, 1))
    if following and pays() and (second := _second(maker)):
        yield from _by_two(chain(following, coming), maker, second)
    else:
        for block in chain(following, coming):
            yield block, _usual(maker, block)


def _second(maker: RowMaker) -> _SecondMaker | None:
    """What makes rows in a second process; None where none can be started, which costs time and no more."""
    try:
        return _SecondMaker(maker)
    except OSError:
        return None


def _by_two(blocks: Iterable[Block], maker: RowMaker, second: _SecondMaker) -> Iterator[tuple[Block, UsualRows]]:
    failures: list[InputError] = []
    waiting: deque[tuple[Block, UsualRows | None]] = deque()
    with second.process:
        for block in _until_failure(blocks, failures):
            waiting.append((block, None if second.ask(block) else _usual(maker, block)))
            while waiting and (waiting[0][1] or second.process.has_answer or len(waiting) > _MOST_WAITING):
                block, made = waiting.popleft()
                yield block, made or second.answer(block)
        for block, made in waiting:
            yield block, made or second.answer(block)
    if failures:
        raise failures[0]


def _usual(maker: RowMaker, block: Block) -> UsualRows:
    return maker.usual(block.lines, block.partners, plain=block.plain)


def _until_failure(blocks: Iterable[Block], failures: list[InputError]) -> Iterator[Block]:
    """The blocks up to an error in reading, which goes to `failures`."""
    try:
        yield from blocks
    except InputError as error:
        failures.append(error)


class _SecondMaker:
    """A copy of a row maker in a second process.

    Attributes
    ----------
    process
        To be left when it is no longer needed.
    """

    def __init__(self, maker: RowMaker) -> None:
        self._maker = maker
        # Kinds of rows have their numbers in each process: those of the second, in the order of its own.
        self._kinds = list(range(len(maker.ledger.kinds)))
        self._told = len(self._kinds)  # how many of its kinds the second process has told of
        self.process = SecondProcess(self._work)

    def ask(self, block: Block) -> bool:
        """Have the usual rows of a block made, if there is time for it and most records may be usual."""
        if not self.process.is_free:
            return False
        strangers = [place for place, partner in enumerate(block.partners) if partner is not SELF_CLASSIFIED]
        if 2 * len(strangers) > len(block.lines):
            return False
        question = pickle.dumps((b"\n".join(block.lines), strangers, block.plain))
        if len(question) > MOST_BYTES:
            return False
        self.process.ask(question)
        return True

    def _work(self, question: bytes) -> bytes:
        """What the second process does; empty where the answer is too large to be given."""
        text, strangers, plain = pickle.loads(question)  # noqa: S301  # from this program
        lines = text.split(b"\n")
        partners: list = [SELF_CLASSIFIED] * len(lines)
        for place in strangers:
            partners[place] = None
        usual = self._maker.usual(lines, partners, plain=plain)
        for place, _ in usual.others:
            if partners[place] is SELF_CLASSIFIED:
                self._maker.learn(lines[place])
        kinds = self._maker.ledger.kinds[self._told :]
        answer = pickle.dumps((usual._replace(rows=[b"\n".join(usual.rows)] if usual.rows else []), kinds))
        if len(answer) > MOST_BYTES:
            return b""
        self._told += len(kinds)
        return answer

    def answer(self, block: Block) -> UsualRows:
        """The rows of the first block asked for that were not given yet."""
        answer = self.process.answer()
        if not answer:
            return _usual(self._maker, block)
        usual, kinds = pickle.loads(answer)  # noqa: S301  # from this program
        self._kinds += map(self._maker.ledger.number_of, kinds)
        rows = usual.rows[0].split(b"\n") if usual.rows else []
        return usual._replace(rows=rows, kinds=array("I", map(self._kinds.__getitem__, usual.kinds)))

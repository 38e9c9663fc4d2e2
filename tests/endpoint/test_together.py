"""Requests that are answered together get what each would get alone."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from genomicslearning import InputError
from genomicslearning.endpoint import together, wire
from genomicslearning.endpoint.together import Asked, Together, answer, answer_all

HEADER = b"CHROM,POS,REF,ALT,CLNDN\n"


class Positions:
    """A model whose answer is told by the row: P = POS / 1000. Counts how often it is asked."""

    threshold = 0.5

    def __init__(self):
        self.asked = []

    def predict(self, table):
        self.asked.append(len(table))
        return table["POS"].to_numpy() / 1000


def csv(body: bytes, *, kind: str = wire.CSV, content_type: str = wire.CSV, outputs=wire.DEFAULT_OUTPUTS) -> Asked:
    return Asked(body, content_type, outputs, kind)


def rows(*positions: int) -> bytes:
    return HEADER + b"".join(b'1,%d,A,G,"a,b"\n' % position for position in positions)


def test_requests_of_one_header_are_one_table_and_keep_their_rows():
    model = Positions()
    first, second, third = answer_all(model, [csv(rows(100)), csv(rows(900, 200)), csv(rows(300))])
    assert model.asked == [4]
    assert first.content == b"0,0.1\n" and first.rows == 1
    assert second.content == b"1,0.9\n0,0.2\n" and second.rows == 2
    assert third.content == b"0,0.3\n"


@pytest.mark.parametrize(
    "other",
    [
        csv(rows(500), kind=wire.JSON),
        csv(rows(500), outputs=("probability",)),
        csv(b'[{"CHROM": "1", "POS": "500", "REF": "A", "ALT": "G"}]', content_type=wire.JSON, kind=wire.JSON),
        csv(b"ALT,CHROM,POS,REF\nG,1,500,A\n"),
        csv(b"POS,CHROM,REF,ALT,CLNDN\n500,1,A,G,x\n"),
        csv(rows(500).replace(b"\n", b"\r\n")),
        csv(rows(500).rstrip(b"\n")),
        csv(HEADER + b'1,500,A,G,"two\nlines"\n'),
    ],
)
def test_requests_of_other_shapes_get_what_they_get_alone(other):
    batch = [csv(rows(100)), other, csv(rows(300))]
    found = answer_all(Positions(), batch)
    assert found == [answer(Positions(), asked) for asked in batch]


@pytest.mark.parametrize("bad", [HEADER, rows(1).replace(b",1,", b",x,"), HEADER + b"1,2\n", b""])
def test_a_request_that_cannot_be_read_is_the_only_one_that_fails(bad):
    first, second, third = answer_all(Positions(), [csv(rows(100)), csv(bad), csv(rows(300))])
    assert (first.content, third.content) == (b"0,0.1\n", b"0,0.3\n")
    with pytest.raises(InputError) as alone:
        answer(Positions(), csv(bad))
    assert isinstance(second, InputError) and str(second) == str(alone.value)


def test_what_a_request_says_of_its_header_is_not_said_for_the_next():
    stated = csv(rows(200), content_type=f"{wire.CSV}; header=absent")
    first, second = answer_all(Positions(), [csv(rows(100)), stated])
    assert first.content == b"0,0.1\n" and isinstance(second, InputError)


def test_an_open_quote_takes_no_row_of_the_next_request():
    """The second quote of the first body opens a cell that the second body's first quote would close."""
    bad = HEADER + b'1,7,A,G,a"b"\n1,8,A,G,"c\n'
    found = answer_all(Positions(), [csv(bad), csv(rows(100)), csv(rows(200))])
    assert [one.content for one in found[1:]] == [b"0,0.1\n", b"0,0.2\n"]


def test_what_waits_while_another_is_answered_is_answered_together():
    async def ask():
        answers = Together(model, asyncio.Semaphore(1))
        return await asyncio.gather(*(answers.answer(csv(rows(number))) for number in range(1, 101)))

    model = Positions()
    found = asyncio.run(ask())
    assert [one.content for one in found] == [f"0,{number / 1000!r}\n".encode() for number in range(1, 101)]
    assert sum(model.asked) == 100 and max(model.asked) == together.MOST and len(model.asked) <= 4


def test_who_comes_when_nobody_waits_any_more_is_answered_too():
    async def ask():
        answers = Together(Positions(), asyncio.Semaphore(1))
        return [await asyncio.wait_for(answers.answer(csv(rows(number))), 60) for number in (1, 2)]

    assert [one.content for one in asyncio.run(ask())] == [b"0,0.001\n", b"0,0.002\n"]


def test_a_client_that_has_left_costs_the_others_nothing():
    async def ask():
        answers = Together(Positions(), asyncio.Semaphore(1))
        gone = asyncio.create_task(answers.answer(csv(rows(1))))
        stays = asyncio.create_task(answers.answer(csv(rows(2))))
        await asyncio.sleep(0)
        gone.cancel()
        return await stays

    assert asyncio.run(ask()).content == b"0,0.002\n"


def test_a_model_that_fails_fails_every_request_and_not_the_next():
    class Broken(Positions):
        def predict(self, table):
            if len(self.asked) < 3:
                self.asked.append(len(table))
                raise ArithmeticError("no")
            return np.full(len(table), 0.5)

    model = Broken()
    found = answer_all(model, [csv(rows(1)), csv(rows(2))])
    assert all(isinstance(one, ArithmeticError) for one in found)
    assert answer(model, csv(rows(3))).content == b"1,0.5\n"

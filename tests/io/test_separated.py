"""Arrow tables from separated text: what a reader that is interrupted does."""

import os
import signal
import threading

import pyarrow as pa

from genomicslearning.io.separated import text_table


def test_a_signal_that_comes_while_blocks_are_read_is_not_lost():
    heard, told = threading.Event(), []
    schema = pa.schema([("a", pa.string()), ("b", pa.string())])
    before = signal.signal(signal.SIGTERM, lambda *_: heard.set())

    def tell():
        for _ in range(300):
            heard.clear()
            os.kill(os.getpid(), signal.SIGTERM)
            told.append(heard.wait(30))

    teller = threading.Thread(target=tell)
    try:
        teller.start()
        tables = 0
        while teller.is_alive():
            assert text_table(schema, [b"x\ty"] * 2).num_rows == 2
            tables += 1
    finally:
        teller.join()
        signal.signal(signal.SIGTERM, before)
    assert told == [True] * 300
    assert tables

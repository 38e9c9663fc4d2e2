"""A second process on another core: a copy of this one that works on pieces of data while this one goes on."""

from __future__ import annotations

import mmap
import os
import select
import signal
import struct
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from contextlib import ExitStack

# Questions that can wait at once, so that the second process has work while an answer is fetched.
_DEPTH = 3
#: Of a question, and of an answer.
MOST_BYTES = 1 << 20
_SIZE = struct.Struct("q")


def pays() -> bool:
    """Whether a second process can be started and has a core of its own.

    Copying a process that has several threads is not safe in general, and on macOS never.
    """
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1 and threading.active_count() == 1


def _pipe(unused: ExitStack) -> tuple[int, int]:
    """The ends of a pipe, which `unused` closes."""
    ends = os.pipe()
    for end in ends:
        unused.callback(os.close, end)
    return ends


class SecondProcess:
    """Applies `work` to data in another process, in order.

    Data go through shared memory, pipes only say how many bytes there are. The other process ends when this one does,
    however it ends; whoever uses this as a context ends it at once.

    Parameters
    ----------
    work
        Gives the answer to a question, of `MOST_BYTES` at most. It sees this process as it is now, and changes nothing
        in it.

    Raises
    ------
    OSError
        No process more can be started here (memory, or a limit on processes or open files).
    """

    def __init__(self, work: Callable[[bytes], bytes]) -> None:
        self._questions = [mmap.mmap(-1, MOST_BYTES) for _ in range(_DEPTH)]
        self._answers = [mmap.mmap(-1, MOST_BYTES) for _ in range(_DEPTH)]
        self._asked = self._answered = 0
        with ExitStack() as unused:
            theirs_in, self._to = _pipe(unused)
            self._from, theirs_out = _pipe(unused)
            with warnings.catch_warnings():
                # Libraries keep threads of their own, of which the second process uses none.
                warnings.simplefilter("ignore", DeprecationWarning)
                self._pid = os.fork()
            unused.pop_all()
        if not self._pid:
            os.close(self._to)  # or it would never see the end of the questions
            os.close(self._from)
            self._serve(work, theirs_in, theirs_out)
        os.close(theirs_in)
        os.close(theirs_out)
        self._coming = select.poll()
        self._coming.register(self._from, select.POLLIN)

    def __enter__(self) -> SecondProcess:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._to)
        os.close(self._from)
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        for memory in (*self._questions, *self._answers):
            memory.close()

    @property
    def is_free(self) -> bool:
        """Whether it can be asked something."""
        return self._asked - self._answered < _DEPTH

    @property
    def has_answer(self) -> bool:
        """Whether the next answer is there, or will never come."""
        return bool(self._coming.poll(0))

    def ask(self, question: bytes) -> None:
        """Hand on a question, of `MOST_BYTES` at most, while it is free."""
        self._questions[self._asked % _DEPTH][: len(question)] = question
        self._asked += 1
        try:
            os.write(self._to, _SIZE.pack(len(question)))
        except BrokenPipeError:
            raise self._ended() from None

    def answer(self) -> bytes:
        """The answer to the first question that has none yet, waited for.

        Raises
        ------
        ChildProcessError
            The second process has ended.
        """
        found = os.read(self._from, _SIZE.size)
        if not found:
            raise self._ended()
        memory = self._answers[self._answered % _DEPTH]
        self._answered += 1
        return memory[: _SIZE.unpack(found)[0]]

    def _ended(self) -> ChildProcessError:
        """How the second process has ended."""
        status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        self._pid = 0
        how = f"was killed ({signal.Signals(-status).name})" if status < 0 else f"ended ({status})"
        return ChildProcessError(f"a second process of this command {how}; was memory short? run again")

    def _serve(self, work: Callable[[bytes], bytes], source: int, target: int) -> None:
        """Answer questions to their end; nothing of the copied process goes on after that."""
        status = 1
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process is interrupted too, and ends this one
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            number = 0
            while found := os.read(source, _SIZE.size):
                answer = work(self._questions[number % _DEPTH][: _SIZE.unpack(found)[0]])
                self._answers[number % _DEPTH][: len(answer)] = answer
                os.write(target, _SIZE.pack(len(answer)))
                number += 1
            status = 0
        except BrokenPipeError:
            pass  # the first process has ended
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

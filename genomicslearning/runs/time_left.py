"""How long a run will still take, from what has passed and from what steps usually take beside each other."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

# Seconds of the steps on the published table (docs/performance.md); only their proportions matter.
USUAL = {"annotate": 20, "data_prep": 7, "variant_classifier-autopilot": 55, "variant_predictor": 6, "evaluation": 30}
# A preset's search beside that of `balanced`.
SEARCH = {"quick": 0.4, "best": 12.0}
CELL = re.compile(r"cell (\d+)/(\d+)")
ESTIMATE = re.compile(r"about (\d+) s left")


class TimeLeft:
    """Told of each step and of each line of progress, it adds what is left of the whole run.

    A job's own estimate of what is left counts for its step; the steps after it are scaled by how this machine and this
    table have fared so far.
    """

    def __init__(self, steps: Sequence[str], preset: str, clock: Callable[[], float] = time.monotonic):
        self._clock, self._started = clock, clock()
        self._usual = {name: float(USUAL.get(name, 10)) for name in steps}
        if "variant_classifier-autopilot" in self._usual:
            self._usual["variant_classifier-autopilot"] *= SEARCH.get(preset, 1.0)
        self._passed = 0.0  # usual seconds of the steps that are done
        self._current = ""
        self._part = 0.0  # of the current step, by cells
        self._estimate: tuple[float, float] | None = None  # the job's estimate, and when it was made

    def starts(self, step: str) -> None:
        """A step begins; those before it are done or kept."""
        if not self._current:
            self._started = self._clock()
        else:
            self._passed += self._usual[self._current]
        self._current, self._part, self._estimate = step, 0.0, None

    def tell(self, line: str) -> str:
        """The line; one that begins a cell, or has an estimate of its own, with the time left of the whole run."""
        if found := CELL.search(line):
            self._part = (int(found[1]) - 1) / int(found[2])
            self._estimate = None
        elif found := ESTIMATE.search(line):
            self._estimate = (float(found[1]), self._clock())
        else:
            return line
        left = self._left()
        return line if left is None else f"{line} · {_words(left)} left in all"

    def _left(self) -> float | None:
        usual = self._usual[self._current]
        done = self._passed + self._part * usual
        passed = self._clock() - self._started
        if done < 3 or passed < 1:  # what the start of the first kernel takes says little of the rest
            return None
        names = list(self._usual)
        after = sum(self._usual[name] for name in names[names.index(self._current) + 1 :])
        pace = passed / done
        if self._estimate is not None:
            seconds, at = self._estimate
            here = max(seconds - (self._clock() - at), 0.0)
            pace = (passed + here) / (self._passed + usual)
            return here + after * pace
        return ((1 - self._part) * usual + after) * pace


def _words(seconds: float) -> str:
    return f"about {seconds / 60:.0f} min" if seconds >= 90 else f"about {max(5, round(seconds / 5) * 5)} s"

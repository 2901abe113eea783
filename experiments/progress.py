"""What a run is doing: on a terminal one bar over all stages with the time left, which moves every second; in a log a line a stage."""

import contextlib
import sys
import threading
from collections.abc import Sequence

from tqdm import tqdm
from tqdm.contrib import DummyTqdmFile

BEFORE = "{desc}: {elapsed}"  # as long as nobody knows how much there is to do
DURING = "{desc}: {percentage:3.0f}% |{bar}| {n_fmt} of {total_fmt}, {elapsed} so far, {remaining} left"


class Progress:
    """Of one run; ``with Progress() as progress`` shows the bar where output is a terminal."""

    def __init__(self) -> None:
        self._open = contextlib.ExitStack()
        self._bar: tqdm | None = None
        self._done = threading.Event()

    def __enter__(self) -> "Progress":
        bar = self._open.enter_context(tqdm(bar_format=BEFORE, desc="data", disable=None, leave=False))
        if not bar.disable:
            self._bar = bar
            if sys.stdout.isatty():  # what is printed meanwhile goes above the bar, on the same terminal
                self._open.enter_context(contextlib.redirect_stdout(DummyTqdmFile(sys.stderr)))
            threading.Thread(target=self._tick, args=(bar,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._bar = None
        self._open.close()

    def _tick(self, bar: tqdm) -> None:
        while not self._done.wait(1.0):
            bar.refresh()

    def expect(self, count: int) -> None:
        """So many pieces of work are ahead, and the page; said once the number is known, and again where there are more."""
        if self._bar is not None:
            if self._bar.total is None:
                self._bar.bar_format = DURING
                self._bar.reset(1)  # the time left counts from here
            self._bar.total += count

    def stage(self, name: str, more: str = "") -> None:
        """A stage begins; ``more`` is said once and not kept in the bar."""
        if self._bar is None or more:
            print(f"{name}{more}", flush=True)
        if self._bar is not None:
            self._bar.set_description_str(name)

    def done(self, name: str = "") -> None:
        """A piece of work is done; what it was stands in the bar."""
        if self._bar is not None:
            if name:
                self._bar.set_description_str(name)
            self._bar.update()


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = []
    for row in (head, *rows):
        first, *others = (f"{cell:{'<' if i == 0 else '>'}{widths[i]}}" for i, cell in enumerate(row))
        lines.append("  ".join(["", first, *others]).rstrip())
    return "\n".join(lines)

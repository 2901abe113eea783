"""The command line as a user types it, without the seconds that a new process takes to start."""

import contextlib
import io
import signal
from typing import NamedTuple

from experiments import run


class Done(NamedTuple):
    """As ``subprocess.run`` gives it; an error that is no sentence for the user is raised."""

    returncode: int
    stdout: str
    stderr: str


def launch(*options, config="quickstart") -> Done:
    """``python -m experiments.run --config CONFIG OPTIONS`` in this process, which has compiled what runs before it did."""
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            status = run.main(["--config", config, *options])
    except SystemExit as ended:
        status = ended.code
    finally:
        signal.signal(signal.SIGINT, interrupt)
    return Done(status, out.getvalue(), err.getvalue())

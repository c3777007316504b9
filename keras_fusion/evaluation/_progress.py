"""How far a comparison is, on stderr: with Rich where it is installed."""

import contextlib
import sys


@contextlib.contextmanager
def progress(total, verbose=0):
    """Gives a function that is called with a text after every run."""
    if not total or not (verbose or sys.stderr.isatty()):
        yield lambda text: None
        return
    try:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
    except ImportError:
        done = []

        def advance(text):
            done.append(text)
            print(f"{len(done)} of {total} runs: {text}", file=sys.stderr, flush=True)

        yield advance
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("runs", total=total)
        yield lambda text: bar.update(task, advance=1, description=text)

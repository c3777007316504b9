"""What the commands in this folder share: options, one run after the other, the paper's table.

A table is a list of rows. Every row is trained once for each seed (and each fold, where the paper
has folds), all rows before more seeds. Each finished run is a line of a CSV file; the same command
goes on after the last one. At the end published and measured values are printed side by side,
with intervals and tests, and written as Markdown beside the CSV file.
"""

import argparse
import contextlib
import hashlib
import io
import itertools
import json
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import keras
from rich import box
from rich.console import Console
from rich.table import Table as RichTable

import keras_fusion as kf


@dataclass(frozen=True)
class Row:
    """One row: its name, how it is trained, and what the paper reports.

    `run(data, seeds, args, fold, backup_dir)` returns a dict of numbers for each of the seeds,
    none named as an option of the command (both are columns of the CSV file);
    `published` maps those numbers' names to the paper's text.
    """

    name: str
    run: Callable
    published: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """One table of a paper. `metrics` maps the names of numbers to headings, the main one first."""

    name: str  # of the files
    title: str
    rows: list
    metrics: dict
    reference: str  # the row that the others are tested against
    paired: bool = False  # whether the folds make scores belong together
    note: str = ""  # what is said below the table


def arguments(doc, *, epochs, seeds, quick, folds=1, options=()):
    """The options of a command.

    Args:
        doc: The docstring of the command.
        epochs, seeds, folds: Ints, the paper's.
        quick: Dict of what --quick makes smaller, such as `{"epochs": 2, "seeds": 1}`. An option
            that is given stays as it is given.
        options: Names, defaults and helps of more options: `(("--samples", None, "..."), ...)`.
            Without a default it is an int, with `False` a switch.

    Returns:
        Namespace with `epochs`, `seeds` (a list), `folds` (a list), `rows`, `data_dir`,
        `results`, `at_once`, `quick`, `report` and the further options.
    """
    full = {"epochs": epochs, "seeds": seeds, "folds": folds}
    full |= {name.lstrip("-").replace("-", "_"): default for name, default, _ in options}
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"minutes on a CPU: {quick}, unless given otherwise"
    )
    parser.add_argument("--seeds", type=int, help=f"how many (default {seeds})")
    parser.add_argument("--epochs", type=int, help=f"default {epochs}")
    if folds > 1:
        parser.add_argument("--folds", type=int, help=f"the first of {folds} folds (default all)")
    for name, default, text in options:
        if isinstance(default, bool):
            how = {"action": argparse.BooleanOptionalAction}
        else:
            how = {"type": int if default is None else type(default)}
        parser.add_argument(name, default=None, help=f"{text} (default {default})", **how)
    parser.add_argument("--rows", nargs="+", help="names of rows (default all)")
    parser.add_argument(
        "--at-once", type=int, help="seeds trained together (default: all on JAX, else one)"
    )
    parser.add_argument("--data-dir", type=Path, help="default: the folder in KERAS_FUSION_DATA")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--report", action="store_true", help="train nothing, print what is there")
    args = parser.parse_args()
    args.folds = getattr(args, "folds", None)
    for name, value in (full | quick if args.quick else full).items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    args.seeds, args.folds = list(range(args.seeds)), list(range(args.folds))
    if args.at_once is None:
        args.at_once = len(args.seeds) if keras.backend.backend() == "jax" else 1
    args.protocol = {name: getattr(args, name) for name in full if name not in ("seeds", "folds")}
    return args


def run(table, load, args):
    """Trains what is missing, then prints and writes the table.

    Args:
        table: `Table`.
        load: Function without arguments that returns the data, called when there is something
            to train.
        args: What `arguments` returned.
    """
    args.results.mkdir(parents=True, exist_ok=True)
    rows = [row for row in table.rows if args.rows is None or row.name in args.rows]
    unknown = set(args.rows or ()) - {row.name for row in rows}
    if unknown:
        names = [row.name for row in table.rows]
        raise SystemExit(f"--rows: expected some of {names}. Received: {sorted(unknown)}")
    data = None
    for seeds, fold, row in itertools.product(_chunks(args), args.folds, rows):
        done = {found["seed"] for found in finished(table, args, row.name, fold)}
        missing = [seed for seed in seeds if seed not in done]
        if args.report or not missing:
            continue
        if data is None:
            data = load()
        which = f", fold {fold}" if len(args.folds) > 1 else ""
        print(f"{row.name}{which}, seeds {missing}", flush=True)
        keras.utils.clear_session(free_memory=True)  # or the models before it stay in memory
        backup = _backup(table, args, row, fold, missing)
        begin = time.perf_counter()
        scores = row.run(data, missing, args, fold, backup)
        seconds = (time.perf_counter() - begin) / len(missing)
        twice = sorted({"row", "seed", "fold", *args.protocol} & set().union(*scores))
        if twice:
            raise ValueError(
                f"{row.name}: expected numbers named unlike options. Received: {twice}"
            )
        lines = [
            {"row": row.name, "seed": seed, "fold": fold, **args.protocol, **found,
             "seconds": round(seconds, 1), **kf.evaluation.environment()}
            for seed, found in zip(missing, scores, strict=True)
        ]  # fmt: skip
        kf.evaluation.append_results(file(table, args), lines)
        _remove(backup)
    report(table, args, rows)


def _chunks(args):
    return [args.seeds[k : k + args.at_once] for k in range(0, len(args.seeds), args.at_once)]


def _backup(table, args, row, fold, seeds):
    """A folder for the unfinished training of these seeds, of this protocol and no other."""
    which = json.dumps([table.name, row.name, fold, seeds, args.protocol, keras.backend.backend()])
    words = re.sub("[^a-z0-9]+", "_", f"{table.name} {row.name}".lower())
    folder = f"{words}_{hashlib.sha256(which.encode()).hexdigest()[:8]}"
    return args.results / "backup" / folder


def _remove(backup):
    """Removes a finished training's folder, and the one above it if nothing else is there."""
    shutil.rmtree(backup, ignore_errors=True)
    with contextlib.suppress(OSError):
        backup.parent.rmdir()


def file(table, args):
    return args.results / f"{table.name}{'_quick' if args.quick else ''}.csv"


def finished(table, args, row, fold=None):
    """The lines of a row with this command's protocol, seeds and folds."""
    path = file(table, args)
    return [
        found
        for found in (kf.evaluation.read_results(path) if path.exists() else ())
        if found["row"] == row
        and found["seed"] in args.seeds
        and found["fold"] in (args.folds if fold is None else [fold])
        and all(found.get(name) == value for name, value in args.protocol.items())
    ]


def report(table, args, rows):
    """Prints published and measured values and writes them as Markdown."""
    found = {row.name: finished(table, args, row.name) for row in rows}
    found = {name: lines for name, lines in found.items() if lines}
    if not found:
        raise SystemExit("Nothing has been measured yet.")
    main = next(iter(table.metrics))
    shown = RichTable(box=box.MARKDOWN)
    shown.add_column("row")
    for heading in table.metrics.values():
        shown.add_column(f"{heading}, published", justify="right")
        shown.add_column("measured (99 %)", justify="right")
    shown.add_column("runs", justify="right")
    for row in rows:
        if row.name in found:
            lines = found[row.name]
            cells = [(row.published.get(m, ""), _interval(lines, m)) for m in table.metrics]
            shown.add_row(row.name, *itertools.chain(*cells), str(len(lines)))
    protocol = ", ".join(f"{name} {value}" for name, value in args.protocol.items())
    quick = "Quick version, not the paper's protocol: " if args.quick else "Protocol: "
    note = f"{quick}{protocol}. {table.note}".strip()
    Console(width=160).print(table.title, shown, note, sep="\n")

    reference = table.reference if table.reference in found else next(iter(found))
    paired = table.paired and len({len(lines) for lines in found.values()}) == 1
    comparison = kf.evaluation.Comparison(
        {name: [line[main] for line in _sorted(lines)] for name, lines in found.items()},
        table.metrics[main], reference, paired=paired, environment=_surroundings(found),
    )  # fmt: skip
    tests = kf.evaluation.markdown_report(comparison, title="Differences")
    text = io.StringIO()
    Console(width=160, file=text).print(shown)
    lines = "\n".join(line.strip() for line in text.getvalue().splitlines() if line.strip())
    page = f"# {table.title}\n\n{note}\n\n{lines}\n\n#{tests}"
    path = file(table, args).with_suffix(".md")
    partial = path.with_suffix(".tmp")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)
    print(f"Written: {path}")


def _surroundings(found):
    """Versions and hardware of all runs; where they differ, every one that occurs."""
    lines = list(itertools.chain(*found.values()))
    names = kf.evaluation.environment() | dict.fromkeys(("tensorflow", "jax", "torch"))
    seen = {n: list(dict.fromkeys(str(line[n]) for line in lines if n in line)) for n in names}
    return {name: " or ".join(values) for name, values in seen.items()}


def _sorted(lines):
    return sorted(lines, key=lambda line: (line["fold"], line["seed"]))


def _interval(lines, metric):
    values = [line[metric] for line in lines if metric in line]
    if not values:
        return ""
    mean, low, high = kf.evaluation.mean_interval(values)
    return f"{mean:.4g}" + (f" ± {(high - low) / 2:.2g}" if len(values) > 2 else "")

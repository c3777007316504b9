"""The options of the commands in this folder, and what they make of titles and files."""

import argparse
import re
from pathlib import Path

import keras


def arguments(doc, *, epochs, seeds, quick, short=None, folds=1, options=()):
    """The options of a command.

    Args:
        doc: The docstring of the command.
        epochs, seeds, folds: Ints, the paper's.
        quick: Dict of what --quick makes smaller, such as `{"epochs": 2, "seeds": 1}`. An option
            that is given stays as it is given.
        short: Dict of what `--protocol short` changes: full size, but fewer and faster epochs.
        options: Names, defaults and helps of more options: `(("--samples", None, "..."), ...)`.
            Without a default, which is the paper's, it is an int, with `False` a switch.

    Returns:
        Namespace with `epochs`, `seeds` and `folds` (lists), the further options, and
        `protocol`, a dict of all but seeds and folds.
    """
    paper = {"epochs": epochs, "seeds": seeds, "folds": folds}
    paper |= {name.lstrip("-").replace("-", "_"): default for name, default, _ in options}
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"minutes on a CPU: {quick}, unless given otherwise"
    )
    if short:
        parser.add_argument(
            "--protocol", choices=["paper", "short"], default="paper",
            help=f"short: {short}, unless given otherwise",
        )  # fmt: skip
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
    parser.add_argument("--rows", nargs="+", help="names of rows to train (default all)")
    parser.add_argument(
        "--at-once", type=int, help="seeds trained together (default: all on JAX, else one)"
    )
    parser.add_argument("--data-dir", type=Path, help="default: the folder in KERAS_FUSION_DATA")
    parser.add_argument(
        "--results", type=Path, default=Path("runs/papers"), help="folder of the finished runs"
    )
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "results",
        help="folder of the tables' JSON lines and reports",
    )  # fmt: skip
    parser.add_argument("--report", action="store_true", help="train nothing, report what is there")
    args = parser.parse_args()
    args.short = getattr(args, "protocol", None) == "short"
    if args.short and args.quick:
        parser.error("--protocol short: expected no --quick beside it")
    usual = paper | (quick if args.quick else short if args.short else {})
    given = {name: getattr(args, name, None) for name in paper}
    given = {name: usual[name] if value is None else value for name, value in given.items()}
    args.changes = {"paper": _changes(given, paper), "usual": _changes(given, usual)}
    args.folded = folds > 1
    vars(args).update(given, seeds=list(range(given["seeds"])), folds=list(range(given["folds"])))
    if args.at_once is None:
        args.at_once = len(args.seeds) if keras.backend.backend() == "jax" else 1
    args.protocol = {name: given[name] for name in paper if name not in ("seeds", "folds")}
    return args


def _changes(given, usual):
    """`{name: (value, usual one)}` where they differ; more seeds or folds are no other protocol."""
    return {
        name: (value, usual[name])
        for name, value in given.items()
        if value != usual[name] and not (name in ("seeds", "folds") and value > usual[name])
    }


def _kind(args):
    """What is said of a run that differs from the paper's protocol, "" of one that does not."""
    pairs = args.changes["paper"].values()
    if args.quick or args.short or not pairs:
        return "quick" if args.quick else "short" if args.short else ""
    numbers = all(type(value) in (int, float) for pair in pairs for value in pair)
    return "reduced" if numbers and all(value < paper for value, paper in pairs) else "changed"


def file(name, args, suffix=".jsonl"):
    """The file of a table with this protocol, which no other protocol has."""
    words = [name, _kind(args), *(f"{n} {v}" for n, (v, _) in args.changes["usual"].items())]
    stem = re.sub("[^a-z0-9]+", "_", " ".join(words).lower()).strip("_")
    return args.output / f"{stem}{suffix}"


def title(name, args):
    """A table's title, and in what this run differs from the paper's protocol."""
    differences = ", ".join(
        f"{name} {value} instead of " + ("the paper's" if paper is None else str(paper))
        for name, (value, paper) in args.changes["paper"].items()
    )
    return f"{name} ({_kind(args)}: {differences})" if differences else name

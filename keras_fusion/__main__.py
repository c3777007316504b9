"""The commands: python -m keras_fusion methods, export, report, search and compare.

python -m keras_fusion export model.keras out/ --format onnx
python -m keras_fusion report model.keras report.html --data mm_digits
python -m keras_fusion compare runs/digits --save table.md
"""

import argparse
import sys

import keras

from keras_fusion import datasets
from keras_fusion.evaluation import Comparison
from keras_fusion.exporting import add_command
from keras_fusion.models import methods
from keras_fusion.reporting import report


def add_methods(commands):
    """Adds the parser of `methods`."""
    parser = commands.add_parser("methods", help="list what `build` knows, and from which paper")
    parser.set_defaults(run=_list_methods)


def _list_methods(args):
    _show(["method", "what it does", "from"], [[m.name, m.line, m.source] for m in methods()])


def add_search(commands):
    """Adds the parser of `search`."""
    parser = commands.add_parser(
        "search",
        help="show the trials of a search, also while it runs",
        description="Shows the trials of a search by keras_fusion.tuning, or KerasTuner, with "
        "their scores, and why those failed that did.",
    )
    parser.add_argument("folder", help="directory/project_name of the search")
    parser.set_defaults(run=_show_search)


def _show_search(args):
    from keras_fusion.tuning import read_trials  # KerasTuner is optional

    rows = []
    for row in read_trials(args.folder):
        score = "" if row["score"] is None else f"{row['score']:.4f}"
        values = ", ".join(f"{name}={_short(value)}" for name, value in row["values"].items())
        rows.append([row["trial"], row["status"], score, row["reason"] or values])
    _show(["trial", "status", "score", "values, or why it failed"], rows)


def add_compare(commands):
    """Adds the parser of `compare`."""
    parser = commands.add_parser(
        "compare",
        help="show the results of a comparison, also while it runs",
        description="Shows what kf.evaluation.compare has left in its folder of results.",
    )
    parser.add_argument("results", help="folder, or .jsonl file")
    parser.add_argument("--metric", help="the score that is compared, such as central_loss")
    parser.add_argument("--reference", help="the method that the others are tested against")
    parser.add_argument("--save", metavar="FILE", help=".md, .csv or .jsonl file to write as well")
    parser.set_defaults(run=_show_comparison)


def _show_comparison(args):
    found = Comparison.read(args.results, args.metric, args.reference)
    head, *rows = found.table()
    _show(head, rows, title=found.metric)
    if args.save:
        found.save(args.save)


def add_report(commands):
    """Adds the parser of `report`."""
    parser = commands.add_parser(
        "report",
        help="write a page of HTML about a model or a comparison",
        description="Writes a page of HTML: of a .keras file on the test part of a data set, or of "
        "what kf.evaluation.compare has left in its folder of results.",
    )
    parser.add_argument("what", help=".keras file; or folder of results, or their .jsonl file")
    parser.add_argument("page", help="the .html file to write")
    parser.add_argument("--data", help="name in kf.datasets of the data set, for a .keras file")
    parser.set_defaults(run=_write_report)


def _write_report(args):
    if not args.what.endswith(".keras"):
        print(report(Comparison.read(args.what), path=args.page))
        return
    if args.data is None:
        raise ValueError("--data: expected the name of a data set for a .keras file")
    model = keras.saving.load_model(args.what)
    print(report(model, datasets.load_data(args.data), args.page))


def _short(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _show(head, rows, title=None):
    """Prints a table, as wide as the terminal; no line is broken where there is none."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*head, title=title)
    for row in rows:
        table.add_row(*map(Text, row))  # not strings, whose brackets would be markup
    Console(width=None if sys.stdout.isatty() else 1000).print(table)


COMMANDS = (add_methods, add_command, add_report, add_search, add_compare)


def main(arguments=None):
    """Runs a command; an error is a line on stderr and exit status 2."""
    parser = argparse.ArgumentParser(prog="python -m keras_fusion")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in COMMANDS:
        add(commands)
    args = parser.parse_args(arguments)
    try:
        args.run(args)
    except (ImportError, OSError, RuntimeError, TypeError, ValueError) as error:
        parser.exit(2, f"{parser.prog}: {type(error).__name__}: {error}\n")


if __name__ == "__main__":
    sys.exit(main())

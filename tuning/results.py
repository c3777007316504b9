"""Prints a search again, also one that is still running, and draws its figure.

python tuning/results.py runs/tuning/mm_digits-moddrop-random --top 20
"""

import argparse
import json
from pathlib import Path

import _report


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--top", type=int, default=10, help="trials in the table")
    args = parser.parse_args()
    path = args.folder / "options.json"
    if not path.is_file():
        raise SystemExit(f"{args.folder} is no folder of tuning/search.py: no options.json")
    options = json.loads(path.read_text(encoding="utf-8"))
    try:
        name, direction = _report.objective_of(args.folder)
    except FileNotFoundError as error:
        raise SystemExit(f"{args.folder}: no trial has ended yet") from error
    _report.print_trials(args.folder, options, name, direction, args.top)
    _report.print_best(args.folder)
    confirmed = args.folder / "confirm.json"
    if confirmed.exists():
        _report.print_confirmed(json.loads(confirmed.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()

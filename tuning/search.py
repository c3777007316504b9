"""A hyperparameter search: any method, any tuner of KerasTuner, one process or many.

    python tuning/search.py --method moddrop --space tuning/spaces/moddrop.toml --trials 20
    python tuning/search.py --method all --tuner bayesian --trials 40 --workers 2

Every trial trains on the training split and is chosen by the validation split; the test split is
read once, at the end, by the best model. Into --directory/--name: the trials, best.json, best.keras
and scores.png (the score against each hyperparameter). Killed and started again with the same
command, a search goes on; with more --trials it goes further. `results.py` prints the tables
again, `confirm.py` (or --confirm 5) trains the best and the default configuration with new
seeds. On two CPU cores 20 trials of ModDrop on mm_digits, 2 executions each, take about 15
minutes. With several machines: see the README beside this file.
"""

import argparse
import json
import os
import shutil
from pathlib import Path

import _report
import _setup
import _workers
from rich.console import Console

import keras_fusion as kf


def main():
    args = parse()
    options = options_of(args)
    folder = args.directory / args.name
    worker = os.environ.get("KERASTUNER_TUNER_ID", "chief") != "chief"
    if not worker and not args.no_report:
        keep_options(folder, options, args.overwrite)
    if args.workers and "KERASTUNER_ORACLE_IP" not in os.environ:
        total = None if options["tuner"] == "hyperband" else options["trials"]
        _workers.Fleet(folder, args.workers).run(total)
    else:
        search(folder, options, args)
    if not worker and not args.no_report:
        report(folder, options)
        if args.confirm:
            import confirm

            confirm.confirm(folder, args.confirm)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data", choices=list(_setup.DATA), default="mm_digits")
    add("--method", nargs="+", default=["moddrop"], help='names of kf.methods(), or "all"')
    add("--tuner", choices=["random", "bayesian", "hyperband", "grid"], default="random")
    add("--trials", type=int, default=20, help="not with hyperband")
    add("--executions", type=int, default=2, help="trainings of every configuration")
    add("--epochs", type=int, default=16)
    add("--patience", type=int, default=0, help="epochs without a better score; 0: all epochs")
    presets = ", ".join(kf.tuning.PRESETS)
    add("--space", help=f"a file of spaces/, or one of {presets}; else the default")
    add("--objective", help="default: the central prediction's accuracy on the validation split")
    add("--workers", type=int, default=0, help="processes on this machine; 0: this one only")
    add("--strategy", choices=["mirrored"], help="every trial on all GPUs (TensorFlow)")
    add("--max-failures", type=int, default=10, help="failed trials in a row that end the search")
    add("--confirm", type=int, default=0, help="new seeds for the best and the default")
    add("--seed", type=int, default=0)
    add("--directory", type=Path, default=Path("runs/tuning"))
    add("--name", help="of the search's folder; default: data, methods and tuner")
    add("--overwrite", action="store_true", help="delete what lies in the folder")
    add("--no-report", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.method == ["all"]:
        args.method = [m.name for m in kf.methods()]
    methods = "-".join(args.method) if len(args.method) < 4 else f"{len(args.method)}methods"
    args.name = args.name or f"{args.data}-{methods}-{args.tuner}"
    return args


def options_of(args):
    options = {name: getattr(args, name) for name in (*_setup.DECISIVE, "trials")}
    return {**options, "space": _setup.read_space(args.space, args.method)}


def keep_options(folder, options, overwrite):
    """Writes options.json; ends if the folder holds another search."""
    path = folder / "options.json"
    if path.exists() and overwrite:
        shutil.rmtree(folder)
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        now = json.loads(json.dumps(options))
        other = [n for n in (*_setup.DECISIVE, "space") if before.get(n) != now[n]]
        if other:
            changed = "; ".join(f"{n}: {before.get(n)!r}, now {now[n]!r}" for n in other)
            raise SystemExit(
                f"{folder} holds another search ({changed}). Give --name or --overwrite."
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _setup.write(path, options)
    except OSError as error:
        raise SystemExit(f"--directory: {folder} cannot be written ({error})") from error


def search(folder, options, args):
    console = Console()
    data = _setup.DATA[options["data"]][0]()
    x, y = data["train"]

    def progress(row):
        said = f"{row['score']:.4f}" if row["status"] == "COMPLETED" else row["reason"]
        console.print(
            f"trial {row['trial']}  {said}  {row['seconds']:.1f} s  "
            f"{_report.in_words(row['values'])}",
            highlight=False,
            soft_wrap=True,
        )

    try:
        tuner = _setup.make_tuner(
            folder,
            options,
            _setup.make_hypermodel(options, len(y)),
            strategy=args.strategy,
            max_consecutive_failed_trials=args.max_failures,
            progress=progress,
        )
        tuner.search(x, y, **_setup.fit_arguments(data, options, tuner.oracle.objective))
    except OSError as error:
        raise SystemExit(str(error)) from error


def report(folder, options):
    """Tables, figure, best.json and best.keras."""
    for name in [n for n in os.environ if n.startswith("KERASTUNER_")]:
        del os.environ[name]  # from here on the folder is only read
    data = _setup.DATA[options["data"]][0]()
    hypermodel = _setup.make_hypermodel(options, len(data["train"][1]))
    tuner = _setup.make_tuner(folder, options, hypermodel)
    objective = tuner.oracle.objective
    best = _report.print_trials(folder, options, objective.name, objective.direction)
    path = folder / "best.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if (before.get("trial"), before.get("score")) != (best["trial"], best["score"]):
        model = tuner.load_model(tuner.oracle.get_trial(best["trial"]))
        model.save(folder / "best.keras")
        found = {
            "objective": objective.name,
            "direction": objective.direction,
            **{name: best[name] for name in ("trial", "score", "scores", "values")},
            "test_score": _setup.test_score(model, data, objective),
            "test_reads": before.get("test_reads", 0) + 1,
        }
        _setup.write(path, found)
    _report.print_best(folder)


if __name__ == "__main__":
    main()

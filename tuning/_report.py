"""Tables and figure of a search."""

import json

from rich.console import Console
from rich.table import Table

import keras_fusion as kf


def ranked(trials, direction):
    scored = [row for row in trials if row["status"] == "COMPLETED" and row["score"] is not None]
    return sorted(scored, key=lambda row: row["score"], reverse=direction == "max")


def in_words(values):
    """Hyperparameters in a line, without those of KerasTuner itself."""
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
        if not name.startswith("tuner/")
    )


def print_trials(folder, options, objective, direction, top=10):
    """Tables of the best trials and of those that failed, and the figure; returns the best."""
    console, trials = Console(), kf.tuning.read_trials(folder)
    order = ranked(trials, direction)
    failed = [row for row in trials if row["status"] == "FAILED"]
    console.print(
        f"{options['data']}, {options['tuner']} search: {objective} on the validation split, "
        f"{len(order)} trials with a score, {len(failed)} failed, "
        f"{len(trials) - len(order) - len(failed)} not finished",
        highlight=False,
        soft_wrap=True,
    )
    table = Table()
    for column in ("trial", "mean", "lowest", "highest", "best epochs", "seconds"):
        table.add_column(column, justify="right")
    table.add_column("hyperparameters")
    for row in order[:top]:
        scores = row["scores"] or [row["score"]]
        table.add_row(
            row["trial"],
            *(f"{value:.4f}" for value in (row["score"], min(scores), max(scores))),
            " ".join(map(str, row["best_epochs"])),
            f"{row['seconds']:.1f}",
            in_words(row["values"]),
        )
    console.print(table)
    if failed:
        reasons = Table(title="Failed", title_justify="left")
        for column in ("trial", "reason", "hyperparameters"):
            reasons.add_column(column)
        for row in failed:
            reasons.add_row(row["trial"], row["reason"], in_words(row["values"]))
        console.print(reasons)
    try:
        path = folder / "scores.png"
        kf.plots.plot_search(trials, path, direction, objective)
        console.print(f"Figure: {path}")
    except (ImportError, ValueError) as error:  # no matplotlib, or nothing to draw
        console.print(f"No figure: {error}")
    return order[0] if order else None


def print_best(folder):
    """The best trial and its score on the test split, if the search has come to its end."""
    path = folder / "best.json"
    if not path.exists():
        return
    best = json.loads(path.read_text(encoding="utf-8"))
    Console().print(
        f"Best: trial {best['trial']}, {best['objective']} {best['score']:.4f}, "
        f"on the test split {best['test_score']:.4f} (of one execution, read "
        f"{'once' if best['test_reads'] == 1 else str(best['test_reads']) + ' times'}); "
        f"{in_words(best['values'])}. Model: {folder / 'best.keras'}"
    )


def objective_of(folder):
    """`(name, direction)` of the search's objective, which every trial notes."""
    for path in sorted(folder.glob("trial_*/search.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        return found["objective"], found["direction"]
    raise FileNotFoundError(f"{folder}: no trial has ended yet")


def print_confirmed(result):
    """Best and default configuration on the test split."""
    count = len(result["best"]["test_scores"])
    table = Table(title=f"Test split, {count} new seeds each", title_justify="left")
    for column in ("configuration", "mean", "standard deviation", "lowest", "highest"):
        table.add_column(column, justify="left" if column == "configuration" else "right")
    for name in ("best", "default"):
        scores = result[name]["test_scores"]
        values = (result[name]["mean"], result[name]["deviation"], min(scores), max(scores))
        table.add_row(name, *(f"{value:.4f}" for value in values))
    console = Console()
    console.print(table)
    if "interval" in result:
        low, high = result["interval"]
        verdict = "a tie" if low <= 0 <= high else "a difference"
        console.print(
            f"Difference {result['difference']:+.4f} (95 % interval {low:+.4f} to {high:+.4f}): "
            f"{verdict}."
        )

"""The tables and the figure of `methods.py`, from the runs in its output folder."""

import numpy as np
from _method_data import CONDITIONS, DATA

import keras_fusion as kf


def file(folder, name):
    return folder / f"methods-{name}.jsonl"


def read(folder, name):
    """The runs on a data set; those of other conditions are not comparable with these."""
    path = file(folder, name)
    rows = kf.evaluation.read_results(path) if path.exists() else []
    return [row for row in rows if set(row["scores"]) == set(CONDITIONS)]


def write(folder, names):
    """Prints the tables and writes them, and the figure where there are ranks."""
    found = {name: read(folder, name) for name in names}
    found = {name: rows for name, rows in found.items() if rows}
    page = ["# Which method, on which data"]
    page += [table(name, rows) for name, rows in found.items()]
    tuned = {name: rows for name, rows in found.items() if not DATA[name].untuned}
    ranked = {condition: ranks(tuned, condition) for condition in CONDITIONS}
    if ranked[CONDITIONS[0]] is not None:
        page.append(f"## Mean ranks over {len(tuned)} data sets, tuned alike")
        page += [f"Test part {name}:\n\n```\n{result}\n```" for name, result in ranked.items()]
        kf.plots.plot_critical_difference(
            ranked[CONDITIONS[0]], folder / "methods.png", "Accuracy: mean ranks, tuned alike"
        )
    text = "\n\n".join(page)
    print(text)
    (folder / "methods.md").write_text(f"{text}\n", encoding="utf-8")


def ranks(found, condition):
    """Of the methods with runs on all data sets; the modality alone is that of best validation."""
    means = [averages(rows, condition) for rows in found.values()]
    common = [name for name in means[0] if all(name in of for of in means)] if means else []
    if len(common) < 3 or len(means) < 3:
        return None
    scores = {name: [of[name] for of in means] for name in common}
    return kf.evaluation.compare_over_data_sets(scores)


def averages(rows, condition):
    """`{method: mean accuracy}`, with "one alone" for the modality that validation chose."""
    found = {}
    for name, own in by_method(rows).items():
        found[name] = np.mean([row["scores"][condition] for row in own])
    alone = {n: own for n, own in by_method(rows).items() if n.endswith(" alone")}
    best = max(alone, key=lambda name: alone[name][0]["validation"] or 0.0, default=None)
    found = {name: value for name, value in found.items() if name not in alone or name == best}
    return {"one alone" if name == best else name: value for name, value in found.items()}


def by_method(rows):
    found = {}
    for row in rows:
        found.setdefault(row["method"], []).append(row)
    return found


def table(name, rows):
    """A data set: every method's accuracies in %, mean and deviation over the seeds."""
    task, methods = DATA[name], by_method(rows)
    reference = "concat_features" if "concat_features" in methods else next(iter(methods))
    tests = {}
    if all(len(own) > 1 for own in methods.values()) and len(methods) > 1:
        compared = kf.evaluation.Comparison.of_runs(rows, CONDITIONS[0], reference)
        tests = {row["method"]: row.get("holm_welch") for row in compared.rows()}
    first, last = rows[0], f" Must win: {task.known}." if task.known else ""
    last = f"disturbed at test: {task.disturbed}.{last}"
    tested, seeds = first["test_samples"] // len(CONDITIONS), len(methods[reference])
    about = (
        f"{first['train_samples']:,} samples to train, {tested:,} to test, "
        f"{first['epochs_trained']} epochs, {seeds} seeds, {first['backend']}; {last}"
    )
    lines = [f"## {name}", about]
    test = f"Holm p against {reference}"
    heads = ["method", "validation", *CONDITIONS, test, "seconds", "parameters"]
    lines.append("\n".join([f"| {' | '.join(heads)} |", "| --- " + "| ---: " * 7 + "|"]))
    for method, own in methods.items():
        first = own[0]["validation"]
        cells = [method, "" if first is None else f"{100 * first:.1f}"]
        for condition in CONDITIONS:
            values = 100 * np.array([row["scores"][condition] for row in own])
            spread = f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else ""
            cells.append(f"{values.mean():.1f}{spread}")
        p = tests.get(method)
        cells += [
            "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}",
            f"{np.mean([r['seconds'] for r in own]):.0f}",
            f"{own[0]['parameters']:,}",
        ]
        lines[-1] += f"\n| {' | '.join(cells)} |"
    return "\n\n".join(lines)

"""The sections of a comparison."""

from keras_fusion.evaluation import markdown_report
from keras_fusion.plots import plot_comparison
from keras_fusion.reporting._sections import Section, number, table

MOST_RUNS = 200


def comparison_sections(comparison):
    """The facts at the top, and the sections."""
    head, *rows = comparison.table()
    about = [
        ("metric", comparison.metric),
        ("methods", str(len(comparison.scores))),
        ("reference", comparison.reference),
        ("runs", str(sum(row["runs"] for row in comparison.rows()))),
    ]
    said = markdown_report(comparison).splitlines()[2].replace("`", "")
    scores = Section("Scores", [said], tables=[table(head, rows)])
    scores.draw(
        plot_comparison(comparison),
        "comparison",
        f"Mean {comparison.metric} with interval: "
        + "; ".join(f"{row['method']} {number(row['mean'])}" for row in comparison.rows()),
    )
    names = list(dict.fromkeys(name for run in comparison.runs for name in run.get("scores") or {}))
    keys = [key for key in ("fold", "seed") if any(key in run for run in comparison.runs)]
    lines = []
    for run in comparison.runs[:MOST_RUNS]:
        found = run.get("scores") or {}
        line = [run["method"], *(run.get(key, "") for key in keys)]
        lines.append([*line, *(number(found.get(name)) for name in names)])
    runs = Section("Runs", tables=[table(["method", *keys, *names], lines)])
    if len(comparison.runs) > MOST_RUNS:
        runs.text = [f"The first {MOST_RUNS} of {len(comparison.runs)}."]
    return about, [scores, runs]

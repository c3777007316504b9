"""From seconds to medians, ratios and intervals; the table and the CSV file."""

import csv
import datetime
import importlib.metadata
import math
import os
import platform
import statistics
from pathlib import Path

from rich import box
from rich.table import Table

LIBRARIES = ("keras", "tensorflow", "jax", "torch", "numpy")
FIELDS = (
    "date", "backend", "measured", "unit", "median", "low", "high", "target", "verdict",
    "rounds", "steps", "batch", "parameters", "difference", "keras_fusion", "python", *LIBRARIES,
    "cpu", "cores", "load_before", "load_after",
)  # fmt: skip

NAMES = {
    "a": "a: keras_fusion",
    "a16": "a16: in mixed_bfloat16",
    "b": "b: plain Keras",
    "c": "c: three LeNets",
    "d eager": "d: PyTorch, eager",
    "d compiled": "d: PyTorch, compiled",
    "d16": "d16: PyTorch, eager, autocast to bfloat16",
}
HEADINGS = {
    "pytorch": "PyTorch without Keras",
    "tensorflow": "Keras on TensorFlow",
    "jax": "Keras on JAX",
    "torch": "Keras on PyTorch",
}
# numerator, denominator: the largest ratio that is good enough, by backend ("": any other one)
RATIOS = {
    ("a", "b"): {"": 1.05},
    ("a", "c"): {"tensorflow": 1.05, "jax": 1.05},
    ("a", "d eager"): {"tensorflow": 1.1},
    ("a", "d compiled"): {},
    ("a16", "a"): {},
    ("a16", "d compiled"): {},
    ("a16", "d16"): {},
}


def interval(values, coverage=0.95):
    """Interval of the median from order statistics: exact for any distribution.

    With fewer than six values 95 % cannot be reached; it is then their range.
    """
    values, n, cut = sorted(values), len(values), 0
    below = 0.5**n  # the probability that at most `cut` values lie below the median
    while below <= (1 - coverage) / 2:
        cut += 1
        below += math.comb(n, cut) * 0.5**n
    cut = max(cut - 1, 0)
    return values[cut], values[n - 1 - cut]


def rows(seconds):
    """What was measured and what follows from it.

    Args:
        seconds: Dict `{(worker, variant, "step" or "call"): one value for every round}`.

    Returns:
        List of dicts with some of `FIELDS`.
    """
    of_pytorch = {v: values for (w, v, _), values in seconds.items() if w == "pytorch"}
    found = [_row("pytorch", NAMES[v], "ms", of_pytorch[v]) for v in NAMES if v in of_pytorch]
    for backend in ("tensorflow", "jax", "torch"):
        steps = {v: s for (w, v, k), s in seconds.items() if (w, k) == (backend, "step")}
        calls = {v: s for (w, v, k), s in seconds.items() if (w, k) == (backend, "call")}
        found += [_row(backend, NAMES[v], "ms", steps[v]) for v in NAMES if v in steps]
        for v in ("a", "b"):
            if v in calls:
                found.append(_row(backend, f"{v}: fit without its steps", "ms", calls[v]))
        for (above, below), targets in RATIOS.items():
            pair = steps.get(above), {**steps, **of_pytorch}.get(below)
            if None not in pair:
                target = targets.get(backend, targets.get(""))
                found.append(_row(backend, f"{above} / {below}", "ratio", _ratios(*pair), target))
        for name in sorted(v for v in steps if v.startswith("SavedModel")):
            model = name.replace("SavedModel", "model(x)")
            found.append(_row(backend, model, "ms", steps[model]))
            found.append(_row(backend, name, "ms", steps[name]))
            ratio = name.replace("SavedModel", "SavedModel / model(x)")
            found.append(_row(backend, ratio, "ratio", _ratios(steps[name], steps[model])))
    return found


def _ratios(above, below):
    return [a / b for a, b in zip(above, below, strict=True)]  # round by round


def _row(backend, measured, unit, values, target=None):
    if unit == "ms":
        values = [1000 * value for value in values]
    low, high = interval(values)
    verdict = ""
    if target is not None:
        verdict = "met" if high <= target else "missed" if low > target else "open"
    return {"backend": backend, "measured": measured, "unit": unit, "target": target,
            "median": statistics.median(values), "low": low, "high": high,
            "verdict": verdict}  # fmt: skip


def table(rows, title, caption):
    printed = Table(
        title=title,
        caption=caption,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    printed.add_column("", no_wrap=True)
    for column in ("median", "", "95 % interval", "target", ""):
        printed.add_column(column, justify="right" if column else "left", no_wrap=True)
    backend = None
    for row in rows:
        if row["backend"] != backend:
            backend = row["backend"]
            printed.add_section()
            printed.add_row(f"[bold]{HEADINGS[backend]}[/]")
        digits = 3 if row["unit"] == "ratio" else 1 if abs(row["median"]) > 10 else 2
        style = {"met": "green", "missed": "red"}.get(row["verdict"], "default")
        printed.add_row(
            row["measured"],
            f"{row['median']:.{digits}f}",
            "ms" if row["unit"] == "ms" else "",
            f"{row['low']:.{digits}f} to {row['high']:.{digits}f}",
            f"<= {row['target']}" if row["target"] else "",
            f"[{style}]{row['verdict']}[/]",
        )
    return printed


def surroundings():
    """Versions and hardware, as columns of the CSV file."""
    found = {"python": platform.python_version(), "cpu": _cpu(), "cores": os.cpu_count()}
    for library in LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            found[library] = ""
    return {**found, "date": datetime.datetime.now().isoformat(timespec="seconds")}


def load():
    """Processes that want the CPU, averaged over a minute; None where that is not known."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _cpu():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def check_file(path):
    """An error, before anything is measured, if rows cannot be appended to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        with path.open(newline="") as file:
            if tuple(next(csv.reader(file), ())) != FIELDS:
                raise ValueError(f"--output: {path} has other columns; name another file")


def append(path, rows):
    """Adds rows; the file is replaced as a whole, so that it is never half-written."""
    before = []
    if path.exists():
        with path.open(newline="") as file:
            before = list(csv.DictReader(file))
    short = {key: "{:.5g}".format for key in ("median", "low", "high", "difference")}
    rows = [{k: short[k](v) if k in short else v for k, v in row.items()} for row in rows]
    partial = path.with_suffix(".partial")
    with partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows([*before, *rows])
    os.replace(partial, path)

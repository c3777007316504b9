"""What the commands in this folder share: one run after the other, and the paper's table.

A table is a list of rows. Every row is trained once for each seed (and each fold, where the paper
has folds), all rows before more seeds. Each finished run is a cell (`kf.evaluation.Cells`) in a
working folder, and the same command goes on after the last one. At the end all runs of this
protocol are written to one file of JSON lines and to a report, published beside measured values.
"""

import collections
import contextlib
import hashlib
import itertools
import json
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import numpy as np
from _options import file, title

import keras_fusion as kf


@dataclass(frozen=True)
class Row:
    """One row: its name, how it is trained, and what the paper reports.

    `part(data, fold)` is what it is trained on, by default all there is; its bytes are part of what
    a run is known by. `run(part, seeds, args, fold, backup_dir)` returns a dict of scores for each
    of the seeds; every model in it is a new one. `published` maps scores to the paper's text.
    """

    name: str
    run: Callable
    published: dict = field(default_factory=dict)
    part: Callable = lambda data, fold: data


@dataclass(frozen=True)
class Table:
    """One table of a paper. `metrics` maps the names of scores to headings, the main one first."""

    name: str  # of the files
    title: str
    rows: list
    metrics: dict
    reference: str  # the row that the others are tested against
    note: str = ""
    pairs: tuple = ()  # (row, reference row, published p) of further tests over the folds


def run(table, load, args):
    """Trains what is missing, then prints and writes the table.

    Args:
        table: `Table`.
        load: Function without arguments that returns the data, not called with --report.
        args: What `arguments` returned.
    """
    rows = [row for row in table.rows if args.rows is None or row.name in args.rows]
    unknown = set(args.rows or ()) - {row.name for row in rows}
    if unknown:
        names = [row.name for row in table.rows]
        raise SystemExit(f"--rows: expected some of {names}. Received: {sorted(unknown)}")
    args.output.mkdir(parents=True, exist_ok=True)
    cells = _cells(table, args)
    data, hashes = None if args.report else load(), {}
    chunks = [args.seeds[k : k + args.at_once] for k in range(0, len(args.seeds), args.at_once)]
    for seeds, fold, row in () if args.report else itertools.product(chunks, args.folds, rows):
        if (row.name, fold) not in hashes:
            hashes[row.name, fold] = _hash(row.part(data, fold))
        identity = {
            "table": table.name, "row": row.name, "fold": fold, "protocol": args.protocol,
            "quick": args.quick, "data": hashes[row.name, fold],
            "backend": keras.backend.backend(),
        }  # fmt: skip
        made_by = {seed: {**identity, "seed": seed} for seed in seeds}
        missing = [seed for seed in seeds if cells.find(made_by[seed]) is None]
        if not missing:
            continue
        which = f", fold {fold}" if args.folded else ""
        print(f"{row.name}{which}, seeds {missing}", flush=True)
        keras.utils.clear_session(free_memory=True)  # or the models before it stay in memory
        backup, part = _backup(args, {**identity, "seeds": missing}), row.part(data, fold)
        begin = time.perf_counter()
        scores = row.run(part, missing, args, fold, backup)
        seconds = round((time.perf_counter() - begin) / len(missing), 1)
        about = {
            "method": row.name, "fold": fold if args.folded else None, "seconds": seconds,
            "finished": time.time(), **_counts(part), "data_sha256": hashes[row.name, fold],
            "quick": args.quick, "arguments": args.protocol,
        }  # fmt: skip
        for seed, found in zip(missing, scores, strict=True):
            cells.write(made_by[seed], {**about, "seed": seed, "scores": found})
        shutil.rmtree(backup, ignore_errors=True)
        with contextlib.suppress(OSError):  # something else is in it
            backup.parent.rmdir()
    report(table, args)


def _cells(table, args):
    return kf.evaluation.Cells(args.results / table.name)


def _hash(part):
    """The hash of arrays in memory; of data that bring one, that; of what is on disk none."""
    if "sha256" in part:
        return part["sha256"]
    found = hashlib.sha256()
    for path, array in keras.tree.flatten_with_path(part):
        if not isinstance(array, np.ndarray) or isinstance(array, np.memmap):
            return None
        found.update(f"{path} {array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array))
    return found.hexdigest()[:16]


def _counts(part):
    """How many samples were trained on and scored, for the corrected test over folds."""
    if "train" not in part:
        return {}
    scored = part["test"] if "test" in part else part["validation"]
    return {"train_samples": len(part["train"][1]), "test_samples": len(scored[1])}


def _backup(args, identity):
    """A folder for the unfinished training of these seeds, of this protocol and no other."""
    words = re.sub("[^a-z0-9]+", "_", f"{identity['table']} {identity['row']}".lower())
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:8]
    return args.results / "backup" / f"{words}_{key}"


def finished(table, args):
    """The runs of this protocol: cells, and those of the table's file that are none here.

    The latter are marked as imported. They are shown, and are trained all the same where they are
    asked for.
    """
    own = [
        row
        for row in _cells(table, args).rows()
        if (row["arguments"], row["quick"]) == (args.protocol, args.quick)
        and row["backend"] == keras.backend.backend()
    ]
    own.sort(key=lambda row: row["finished"])
    data = {_of(row): row["data_sha256"] for row in own}  # the last ones'
    found = {_place(row): row for row in own if row["data_sha256"] == data[_of(row)]}
    path = file(table.name, args)
    for row in kf.evaluation.read_results(path) if path.exists() else ():
        hashed = row.get("data_sha256")
        if row["arguments"] == args.protocol and hashed in (None, data.get(_of(row), hashed)):
            found.setdefault(_place(row), {**row, "imported": True})
    for name in ("seed", "fold"):
        if f"{name}s" in args.changes["usual"]:
            allowed = [None, *getattr(args, f"{name}s")]
            found = {place: row for place, row in found.items() if row[name] in allowed}
    names = [row.name for row in table.rows]
    order = {name: k for k, name in enumerate(dict.fromkeys([*names, *(p[0] for p in found)]))}
    return [found[place] for place in sorted(found, key=lambda p: (order[p[0]], p[1:]))]


def _of(row):
    return row["method"], row["fold"] or 0


def _place(row):
    return *_of(row), row["seed"]


def report(table, args):
    """Writes the runs as JSON lines; prints published and measured values, and writes the page."""
    rows = finished(table, args)
    if not rows:
        raise SystemExit("Nothing has been measured yet.")
    kf.evaluation.write_results(file(table.name, args), rows)
    names = [row["method"] for row in rows]
    reference = table.reference if table.reference in names else names[0]
    page = [f"# {title(table.title, args)}", " ".join(_notes(table, args, rows)).strip()]
    for metric, heading in table.metrics.items():
        comparison = kf.evaluation.Comparison.of_runs(rows, metric, reference)
        if metric != list(table.metrics)[-1]:
            comparison.environment = None  # said once, at the end
        published = {r.name: r.published.get(metric, "") for r in table.rows if r.name in names}
        page.append("#" + kf.evaluation.markdown_report(
            comparison, None, heading, published if any(published.values()) else None
        ).strip())  # fmt: skip
    tests = list(filter(None, (_paired(rows, next(iter(table.metrics)), *p) for p in table.pairs)))
    if tests:
        page += ["## Tests over the folds (means over the seeds)", "\n".join(tests)]
    text = "\n\n".join(page)
    print(text)
    path = file(table.name, args, ".md")
    path.write_text(f"{text}\n", encoding="utf-8")
    print(f"Written: {path}")


def _notes(table, args, rows):
    """Protocol, what is not done yet, which runs are imported, and the table's own note."""
    folds = args.folds if args.folded else [0]
    asked = set(itertools.product((row.name for row in table.rows), folds, args.seeds))
    done = len(asked & {_place(row) for row in rows})
    imported = collections.Counter(row["method"] for row in rows if row.get("imported"))
    notes = [f"Protocol: {', '.join(f'{name} {value}' for name, value in args.protocol.items())}."]
    if done < len(asked):
        notes.append(f"{done} of {len(asked)} runs are there.")
    if imported:
        counts = ", ".join(f"{name} ({count})" for name, count in imported.items())
        which = "all runs" if imported.total() == len(rows) else counts
        notes.append(f"Imported, shown and never taken in place of a training: {which}.")
    return [*notes, table.note]


def _paired(rows, metric, name, reference, published):
    """A line on the difference of two rows over the folds that both have; None below two."""
    rows = [row for row in rows if row["method"] in (name, reference)]
    folds = [{row["fold"] for row in rows if row["method"] == of} for of in (name, reference)]
    count = len(folds[0] & folds[1])
    if count < 2:
        return None
    found = kf.evaluation.Comparison.of_runs(rows, metric, reference).rows()
    (found,) = (row for row in found if row["method"] == name)
    text = (
        f"- {name} against {reference}: {found['difference']:+.1f} points over {count} folds, "
        f"paired t p = {found['p_paired_t']:.2g}"
    )
    if "p_corrected_t" in found:
        text += f", corrected for overlapping training parts p = {found['p_corrected_t']:.2g}"
    return text + (f" (published: p = {published})" if published else "")

"""How long is a training step of CentralNet, and what does keras_fusion add to it?

    python examples/benchmarks/step_time.py

Multimodal MNIST's shapes, batches of 128, everything on the CPU. On every Keras backend:
(a) `kf.presets.centralnet_mm_mnist()` through `fit`; (b) the same network by hand in plain Keras;
(c) its three LeNets trained one by one, times summed; and (d) the same network in plain PyTorch,
eager and compiled, where torch is installed. On TensorFlow also the forward pass: the SavedModel's
signature against `model(x)`, for one sample and for a batch. That (a), (b) and (d) are one
network is checked at the start, with equal weights.

All are built and warmed up first, each library in a process of its own. Then every round visits
each once, in a random order; a visit is one `fit` of 1 + --steps steps, the first not timed.
Ratios are taken within a round. Medians over the rounds, with 95 % intervals.

Time:     about 16 min on two CPU cores (--quick: a few minutes, figures without meaning)
Expected: a / b <= 1.05; a / c <= 1.05 on TensorFlow and JAX; a / d <= 1.1 (eager) on TensorFlow
"""

import argparse
import importlib.util
import random
from pathlib import Path

import _report
from _workers import Worker
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

FULL = {"rounds": 30, "steps": 5, "batch": 128}
QUICK = {"rounds": 2, "steps": 2, "batch": 8}


def main():
    args = arguments()
    console = Console()
    load_before = _report.load()
    workers, groups = start(args, console)
    seconds = measure(workers, groups, args, console)
    for worker in workers.values():
        worker.close()

    equality = [worker.about["equality"] for worker in workers.values()]
    common = {
        **_report.surroundings(),
        "keras_fusion": workers[args.backends[0]].about["keras_fusion"],
        "rounds": args.rounds,
        "steps": args.steps,
        "batch": args.batch,
        "parameters": equality[0]["parameters"],
        "difference": max(found["difference"] for found in equality),
        "load_before": load_before,
        "load_after": _report.load(),
    }
    rows = _report.rows(seconds)
    console.print(_report.table(rows, *words(common, workers)))
    _report.append(args.output, [{**common, **row} for row in rows])
    console.print(f"appended to {args.output}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--backends", nargs="+", default=["tensorflow", "jax"],
        choices=["tensorflow", "jax", "torch"],
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, help="visits of each variant (30)")
    parser.add_argument("--steps", type=int, help="timed steps in a visit (5)")
    parser.add_argument("--batch", type=int, help="samples in a step (128)")
    parser.add_argument(
        "--mixed-bfloat16", action="store_true", help="(a) in this policy, and (d) in autocast, too"
    )
    parser.add_argument("--output", type=Path, default=Path("runs/benchmarks/step_time.csv"))
    parser.add_argument("--quick", action="store_true", help="tiny, only to see that it works")
    args = parser.parse_args()
    for name, value in (QUICK if args.quick else FULL).items():
        if getattr(args, name) is None:
            setattr(args, name, value)
        if getattr(args, name) < 1:
            parser.error(f"--{name}: expected an int >= 1. Received: {getattr(args, name)}")
    args.backends = list(dict.fromkeys(args.backends))
    for backend in args.backends:
        if importlib.util.find_spec(backend) is None:
            parser.error(f"--backends: {backend} is not installed")
    try:
        _report.check_file(args.output)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return args


def start(args, console):
    """Starts the workers one after the other.

    Returns:
        Dict `{name: Worker}`, and groups of visits that are paid one after the other in a
        round: lists of `(worker, variant)`. What is compared closely stands in one group.
    """
    workers, groups = {}, []
    settings = {"batch": args.batch, "steps": args.steps, "mixed_bfloat16": args.mixed_bfloat16}
    with console.status("") as status:
        for backend in args.backends:
            status.update(f"keras on {backend}: building, checking, warming up")
            own = {**settings, "forward": backend == "tensorflow"}
            worker = workers[backend] = Worker(backend, own, log(args, backend))
            names = worker.about["variants"]
            groups.append([(backend, name) for name in names if name in _report.NAMES])
            groups.append([(backend, name) for name in names if name not in _report.NAMES])
        if importlib.util.find_spec("torch") is not None:
            status.update("plain PyTorch: checking, compiling, warming up")
            reference = workers[args.backends[0]].about["reference"]
            own = {**settings, "reference": reference}
            worker = workers["pytorch"] = Worker("pytorch", own, log(args, "pytorch"))
            groups[0] += [("pytorch", name) for name in worker.about["variants"]]
    return workers, groups


def log(args, name):
    return args.output.with_name(f"{args.output.stem}-{name}.log")


def measure(workers, groups, args, console):
    """All rounds; seconds by worker, variant and kind, one value for every round."""
    seconds = {}
    shuffle = random.Random(0).shuffle  # no variant always comes after the same other one
    columns = "measuring, round", MofNCompleteColumn(), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console) as progress:
        for _ in progress.track(range(args.rounds)):
            shuffle(groups)
            for group in groups:
                shuffle(group)
                for name, variant in group:
                    for kind, value in workers[name].measure(variant).items():
                        seconds.setdefault((name, variant, kind), []).append(value)
    return seconds


def words(common, workers):
    """Title and caption of the table."""
    title = (
        f"Step time, batch {common['batch']}: {common['rounds']} rounds of {common['steps']} "
        f"steps; {common['cpu']}, {common['cores']} cores, load {common['load_before']} before, "
        f"{common['load_after']} after"
    )
    caption = (
        f"a, b and d are one network ({common['parameters']:,} parameters, equal weights: "
        f"predictions differ by at most {common['difference']:.0e}). "
        'A target is "met" if the whole interval is, "open" if it lies inside.'
    )
    if common["rounds"] < 6:
        caption += " Fewer than 6 rounds: the intervals are ranges, not 95 %."
    if common["load_before"] and common["load_before"] > common["cores"] / 2:
        caption += (
            " [red]Others were at work when this began: take no figure from it. Plain PyTorch, "
            "whose threads wait for each other in a loop, can be ten times slower then.[/]"
        )
    notes = [worker.about["note"] for worker in workers.values() if "note" in worker.about]
    return title, " ".join([caption, *notes])


if __name__ == "__main__":
    main()

"""Is the best configuration better than the default? Both trained afresh, with new seeds.

    python tuning/confirm.py runs/tuning/mm_digits-moddrop-random --seeds 5

The best score of a search is too good: it is the highest of many noisy ones. Here both
configurations start from new weights, with seeds that the search has not seen; every model keeps
the weights of its best validation epoch, as in the search, and reads the test split once. Every
training is a line of confirm.jsonl; started again, the command goes on after it.
"""

import argparse
import json
import math
import tempfile
from pathlib import Path

import _report
import _setup
import keras
import keras_tuner
import numpy as np

FIRST_SEED = 1_000_000  # search.py counts its own from 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    confirm(args.folder, args.seeds)


def confirm(folder, seeds):
    options = json.loads((folder / "options.json").read_text(encoding="utf-8"))
    best = json.loads((folder / "best.json").read_text(encoding="utf-8"))
    data = _setup.DATA[options["data"]][0]()
    hypermodel = _setup.make_hypermodel(options, len(data["train"][1]))
    objective = keras_tuner.Objective(best["objective"], best["direction"])
    log = folder / "confirm.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    done = {(r["which"], r["trial"], r["seed"]): r for r in map(json.loads, lines)}
    scores = {}
    for which, trial in (("best", best["trial"]), ("default", "")):
        hp = parameters(hypermodel, best["values"], which == "default")
        for seed in range(seeds):
            row = done.get((which, trial, seed))
            if row is None:
                keras.utils.clear_session()
                keras.utils.set_random_seed(FIRST_SEED + seed)
                row = {"which": which, "trial": trial, "seed": seed, "values": hp.values}
                row |= train(hypermodel, hp, data, options, objective)
                with log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                print(f"{which}, seed {seed}: {row['test_score']:.4f}", flush=True)
            scores.setdefault(which, []).append(row["test_score"])
    result = summary(scores)
    _setup.write(folder / "confirm.json", result)
    _report.print_confirmed(result)


def parameters(hypermodel, values, default):
    """The values of the best trial; or the defaults of the same method."""
    hp = keras_tuner.HyperParameters()
    if "method" in values:
        hp.values["method"] = values["method"]
    if not default:
        hp.values |= {n: v for n, v in values.items() if not n.startswith("tuner/")}
    hypermodel.declare_hyperparameters(hp)
    return hp


def train(hypermodel, hp, data, options, objective):
    model = hypermodel.build(hp)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "best.weights.h5"
        arguments = _setup.fit_arguments(data, options, objective)
        keep = keras.callbacks.ModelCheckpoint(
            path,
            monitor=objective.name,
            mode=objective.direction,
            save_best_only=True,
            save_weights_only=True,
        )
        arguments["callbacks"] = [*arguments.get("callbacks", []), keep]
        history = hypermodel.fit(hp, model, *data["train"], verbose=0, **arguments).history
        model.load_weights(path)
    values = history[objective.name]
    best = max(values) if objective.direction == "max" else min(values)
    return {"score": float(best), "test_score": _setup.test_score(model, data, objective)}


def summary(scores):
    """Means, standard deviations, and the difference with its 95 % interval (Welch)."""
    best, default = (np.array(scores[name]) for name in ("best", "default"))
    result = {
        name: {
            "test_scores": values.tolist(),
            "mean": float(values.mean()),
            "deviation": float(values.std(ddof=1)) if len(values) > 1 else 0.0,
        }
        for name, values in (("best", best), ("default", default))
    }
    result["difference"] = float(best.mean() - default.mean())
    if len(best) > 1:
        from scipy.stats import t

        parts = [v.var(ddof=1) / len(v) for v in (best, default)]
        total = sum(parts)
        freedom = total**2 / sum(p**2 / (len(best) - 1) for p in parts) if total else 1
        margin = float(t.ppf(0.975, freedom)) * math.sqrt(total)
        result["interval"] = [result["difference"] - margin, result["difference"] + margin]
    return result


if __name__ == "__main__":
    main()

"""The sections of a model: each asks the model something, and says so where it cannot answer."""

import keras
import numpy as np

from keras_fusion.evaluation import (
    classification_scores,
    modality_subsets,
    noise_curves,
)
from keras_fusion.plots import (
    plot_calibration,
    plot_fusion_graph,
    plot_fusion_history,
    plot_fusion_weights,
    plot_modality_balance,
    plot_noise_curves,
)
from keras_fusion.reporting._classes import as_classes, targets_of
from keras_fusion.reporting._heads import confusion_section, disagreement_section
from keras_fusion.reporting._sections import Section, number, share, table
from keras_fusion.training import ModalityBalance

MOST_MODALITIES = 6  # 63 subsets
GRADIENT_SAMPLES = 64


def model_sections(model, x, y, callbacks, classes, batch_size):
    """The facts at the top, and the sections."""
    predicted = model.predict(x, batch_size=batch_size, verbose=0)
    scores = _by_head(
        model, model.evaluate(x, y, batch_size=batch_size, verbose=0, return_dict=True)
    )
    metric = _main_metric(scores["central"])
    found = {head: as_classes(targets_of(y, head), predicted[head]) for head in model.heads}
    found = {head: both for head, both in found.items() if both is not None}
    truth = found["central"][0] if "central" in found else None
    said = {h: p for h, (t, p) in found.items() if truth is not None and np.array_equal(t, truth)}
    subsets, why = _subsets(model, x, y, batch_size)
    here = _present(model, x, len(predicted["central"]))
    about = [
        (f"{metric} of the fusion", share(scores["central"].get(metric))["text"]),
        *_best_alone(scores, metric),
        ("samples", str(len(predicted["central"]))),
        ("modalities", str(len(model.modalities))),
        ("parameters", f"{model.count_params():,}"),
    ]
    return about, [
        _graph(model),
        _scores(model, scores, metric, subsets),
        _weights(model, x, callbacks),
        _subset_section(subsets, why, metric),
        _noise(model, x, y, metric, batch_size),
        _balance(model, x, y, callbacks, scores),
        confusion_section(truth, said, classes),
        _calibration(truth, said, here),
        disagreement_section(model, x, truth, said, here, classes),
    ]


def _by_head(model, scores):
    """`{head: {name: score}}` of what `evaluate` returns."""
    found = {head: {} for head in model.heads}
    # Longest first: a modality may be called `image` and another `image_left`.
    ordered = sorted(model.heads, key=len, reverse=True)
    for key, value in scores.items():
        head = next((head for head in ordered if key.startswith(f"{head}_")), None)
        if head is not None and np.ndim(value) == 0:
            found[head][key.removeprefix(f"{head}_")] = float(value)
    return found


def _main_metric(scores):
    names = [name for name in scores if name != "loss"]
    return next((name for name in names if "accuracy" in name), (names or ["loss"])[0])


def _best_alone(scores, metric):
    """The fact which modality's own head is the best, if there are such heads."""
    alone = {h: of[metric] for h, of in scores.items() if h != "central" and metric in of}
    if not alone:
        return []
    errors = ("loss", "error", "mae", "mse", "mean_absolute", "mean_squared")
    best = min if any(part in metric for part in errors) else max
    head = best(alone, key=alone.get)
    return [("best modality alone", f"{head} {share(alone[head])['text']}")]


def _present(model, x, count):
    """`{modality: (samples,) bool}`."""
    names = sorted(model.modalities)
    present = np.ones((count, len(names)), bool)
    if model.has_present and "present" in x:
        present = np.asarray(x["present"]).astype(bool)
    return {name: present[:, i] for i, name in enumerate(names)}


def _subsets(model, x, y, batch_size):
    if not model.has_present:
        return None, "The model needs all modalities: it was built without missing_modalities=True."
    if len(model.modalities) > MOST_MODALITIES:
        return None, f"{2 ** len(model.modalities) - 1} subsets are too many for a page."
    return modality_subsets(model, x, y, batch_size=batch_size), None


def _graph(model):
    text = []
    model.describe_fusion(text.append)
    section = Section("The model", more="\n\n".join(text))
    section.text = [
        "One column per modality, with the tensors of its network that are used; where modalities "
        "meet stands in the middle, the prediction at the bottom."
    ]
    shown = "; ".join(part.splitlines()[0] for part in text)
    section.draw(plot_fusion_graph(model), "graph", f"Fusion graph of {model.name}: {shown}")
    return section


def _scores(model, scores, metric, subsets):
    names = list(dict.fromkeys(name for of in scores.values() for name in of))
    head = ["head", *names]
    if subsets:
        head.append(f"{metric} of the fusion, given it alone")
    rows = []
    for source in ["central", *model.modalities]:
        of = scores.get(source, {})
        row = [source, *(share(of.get(n)) if n == metric else number(of.get(n)) for n in names)]
        if subsets:
            alone = subsets.get((source,), {})
            row.append(share(alone.get(metric)) if source != "central" else "")
        rows.append(row)
    section = Section("Scores", tables=[table(head, rows)])
    section.text = ["central is the fused prediction; the others are what a modality says alone."]
    without = [name for name in model.modalities if name not in model.heads]
    if without:
        section.text.append(f"Without a head of its own: {', '.join(without)}.")
    return section


def _weights(model, x, callbacks):
    section = Section("Fusion weights")
    try:
        weights = model.fusion_weights(x)
    except ValueError as error:  # all zero or NaN
        section.text.append(f"No shares: {error}")
        weights = {}
    else:
        if not weights:
            section.text.append("This method has no fusion weights.")
    if weights:
        labels = model.fusion_levels
        weights = {f"{level} ({labels[level]})": of for level, of in weights.items()}
        shown = "; ".join(
            f"{level}: " + ", ".join(f"{name} {100 * s:.0f} %" for name, s in of.items())
            for level, of in weights.items()
        )
        section.text.append("The share of each source at each level, the prediction at the bottom.")
        section.draw(plot_fusion_weights(weights), "weights", f"Fusion weights. {shown}")
    for i, history in enumerate(c for c in callbacks if hasattr(c, "weights")):
        if history.epochs and history.weights[0]:
            said = f"Fusion weights and scores over {history.epochs[-1]} epochs"
            section.draw(plot_fusion_history(history), f"history-{i}", said)
    return section


def _subset_section(subsets, why, metric):
    section = Section("Subsets of the modalities")
    if subsets is None:
        section.text.append(why)
        return section
    section.text.append("What the fused prediction is worth when the others are missing.")
    rows = [
        [" + ".join(names), of["samples"], share(of.get(metric)), number(of.get("loss"))]
        for names, of in subsets.items()
    ]
    section.tables.append(table(["given", "samples", metric, "loss"], rows))
    return section


def _noise(model, x, y, metric, batch_size):
    section = Section("Noise")
    names = sorted(name for name in model.modalities if _takes_noise(x[name]))
    left_out = [name for name in model.modalities if name not in names]
    if left_out:
        section.text.append(f"No noise is added to what is no signal: {', '.join(left_out)}.")
    if names:
        section.text.append(
            "The fused prediction while one modality drowns in noise; the steeper a line falls to "
            "the left, the more the model leans on it."
        )
        curves = noise_curves(model, x, y, modalities=names, batch_size=batch_size)
        ends = (
            f"{name} {number(curve[min(curve)][metric])} at {min(curve):g} dB"
            for name, curve in curves.items()
        )
        clean = number(curves[names[0]][np.inf][metric])
        said = f"{metric} against noise: {clean} without noise; {', '.join(ends)}"
        section.draw(plot_noise_curves(curves, metric), "noise", said)
    return section


def _takes_noise(signal):
    return isinstance(signal, np.ndarray) and (signal.dtype.kind == "f" or signal.dtype == "uint8")


def _balance(model, x, y, callbacks, scores):
    section = Section("Balance")
    recorded = [c for c in callbacks if hasattr(c, "gradient_norms") and c.epochs]
    for i, balance in enumerate(recorded):
        norms = ", ".join(f"{name} {number(n)}" for name, n in balance.gradient_norms[-1].items())
        said = f"Gradient norms and scores over the epochs; norms at the end: {norms}"
        section.text.append("How strongly each modality's network was trained, and its own score.")
        section.draw(plot_modality_balance(balance), f"balance-{i}", said)
    numeric = all(getattr(a, "dtype", None) is not None and np.asarray(a).dtype.kind in "biuf"
                  for a in keras.tree.flatten(x))  # fmt: skip
    if not recorded and numeric and "loss" in scores["central"]:
        part = keras.tree.map_structure(lambda a: np.asarray(a)[:GRADIENT_SAMPLES], (x, y))
        now = ModalityBalance(*part)
        now.set_model(model)
        now.on_epoch_begin(0)
        rows = [[name, number(norm)] for name, norm in now.gradient_norms[0].items()]
        section.tables.append(table(["", "gradient norm now"], rows))
        section.text.append(
            f"How strongly the loss on {len(part[0][model.modalities[0]])} of the samples would "
            "change each modality's network now. Give fit a ModalityBalance, and report that, for "
            "the epochs."
        )
    elif not recorded:
        section.text.append("Nothing was recorded: give fit a ModalityBalance, and report that.")
    if model.balance:
        rows = [[name, number(value)] for name, value in model.balance_coefficients().items()]
        section.tables.append(table(["", f"coefficient of {model.balance}"], rows))
    return section


def _calibration(truth, said, here):
    section = Section("Calibration")
    if truth is None:
        section.text.append("Only for predictions of one class a sample.")
        return section
    section.text.append(
        "Right predictions against confidence. Dots below the line: surer than it should be."
    )
    rows, heads = [], {}
    for head, p in said.items():
        rows_here = here.get(head, np.ones(len(truth), bool))
        if rows_here.any():
            of = classification_scores(truth[rows_here], p[rows_here])
            kept = ("expected_calibration_error", "brier_score")
            rows.append([head, *(number(of[name]) for name in kept)])
            heads[head] = (p, rows_here)
    section.tables.append(table(["head", "expected calibration error", "Brier score"], rows))
    every = {head: p for head, (p, rows_here) in heads.items() if rows_here.all()}
    said_of = "; ".join(f"{row[0]}: expected calibration error {row[1]}" for row in rows)
    if every:
        section.draw(plot_calibration(every, truth), "calibration", f"Calibration. {said_of}")
    return section

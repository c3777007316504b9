"""What the heads predict as classes: probabilities, confusion, and where modalities disagree."""

import numpy as np


def targets_of(y, head):
    """The targets of a head, whether there is one array for all or a dict."""
    return np.asarray(y.get(head) if isinstance(y, dict) else y)


def as_classes(y_true, y_pred):
    """Class indices `(samples,)` and probabilities `(samples, classes)`, or `None`.

    `None` where one class a sample is not what is predicted: regression, several labels at once,
    steps or places.
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred, "float64")
    if y_pred.ndim != 2 or y_true.dtype.kind not in "biuf" or not len(y_true):
        return None
    flat = y_true.reshape(len(y_true), -1)
    whole = np.all(flat == np.floor(flat)) and flat.min() >= 0
    if y_pred.shape[1] == 1:
        if flat.shape[1] != 1 or not whole or flat.max() > 1:
            return None
        if y_pred.min() < 0 or y_pred.max() > 1:
            y_pred = 1 / (1 + np.exp(-y_pred))
        return flat[:, 0].astype(int), np.concatenate([1 - y_pred, y_pred], axis=1)
    if flat.shape[1] == 1 and whole and flat.max() < y_pred.shape[1]:
        truth = flat[:, 0].astype(int)
    elif flat.shape == y_pred.shape and whole and np.all(flat.sum(axis=1) == 1):
        truth = flat.argmax(axis=1)
    else:
        return None
    if y_pred.min() < 0 or y_pred.max() > 1:  # logits
        y_pred = np.exp(y_pred - y_pred.max(axis=1, keepdims=True))
        y_pred /= y_pred.sum(axis=1, keepdims=True)
    return (truth, y_pred) if np.abs(y_pred.sum(axis=1) - 1).max() < 0.01 else None


def confusion(truth, found, classes):
    """How often each class, a row, was taken for each, a column; `(classes, classes)`."""
    table = np.zeros((classes, classes), int)
    np.add.at(table, (truth, found), 1)
    return table


def disagreements(truth, probabilities, present, limit):
    """Samples of which the modalities' heads predict different classes, and who was right then.

    Args:
        truth: Class indices, `(samples,)`.
        probabilities: Dict `{head: (samples, classes)}`, "central" and the modalities.
        present: Dict `{modality: (samples,) bool}`.
        limit: Integer, how many samples are shown: those where the least sure of them is surest.

    Returns:
        Dict of "count", "right" (`{head: share}`, of those samples) and "samples", a list of
        dicts with "number", "truth" and "says", `{head: (class, confidence)}`; `None` with fewer
        than two heads.
    """
    names = [name for name in probabilities if name != "central"]
    if len(names) < 2:
        return None
    said = {name: p.argmax(axis=1) for name, p in probabilities.items()}
    sure = {name: p.max(axis=1) for name, p in probabilities.items()}
    votes = np.stack([np.where(present[name], said[name], -1) for name in names])
    least = np.stack([np.where(present[name], sure[name], np.inf) for name in names]).min(axis=0)
    lowest = np.where(votes < 0, np.iinfo(votes.dtype).max, votes).min(axis=0)
    apart = np.flatnonzero((votes.max(axis=0) != lowest) & (votes.max(axis=0) >= 0))
    right = {}
    for name in ("central", *names):
        here = apart[present[name][apart]] if name in present else apart
        right[name] = float(np.mean(said[name][here] == truth[here])) if len(here) else None
    shown = apart[np.argsort(-least[apart], kind="stable")][:limit]
    samples = [
        {
            "number": int(i),
            "truth": int(truth[i]),
            "says": {
                name: (int(said[name][i]), float(sure[name][i]))
                for name in ("central", *names)
                if name not in present or present[name][i]
            },
        }
        for i in shown
    ]
    return {"count": len(apart), "right": right, "samples": samples}

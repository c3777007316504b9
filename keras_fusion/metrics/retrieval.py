"""Recall at K among embeddings, the measure of retrieval."""

import numpy as np

from keras_fusion._checks import check_int

_ROWS = 1024  # of the table of similarities at a time


def recall_at_k(queries, candidates, k=(1, 5, 10), query_labels=None, labels=None, left_out=None):
    """How often what a query asks for is among the K candidates that are most alike.

    Use it for embeddings of pairs, where one candidate is right, or with labels, where all
    candidates are that have the label asked for. Alike is the cosine. Candidates that are equally
    alike count as if their order were drawn: of embeddings that are all equal, with one right
    candidate, that is K of the number of candidates.

    Args:
        queries: Array `(queries, units)`.
        candidates: Array `(candidates, units)`.
        k: Sequence of positive integers. Defaults to `(1, 5, 10)`.
        query_labels: Optional array `(queries,)`, what each query asks for. Defaults to `None`:
            the candidate in its own row.
        labels: Array `(candidates,)`, what each candidate is; with `query_labels` only. Defaults
            to `None`.
        left_out: Optional integers `(queries,)`, the row of a candidate that does not count for a
            query, as the image that is part of it. Defaults to `None`.

    Returns:
        Dictionary `{"recall@K": float}`; NaN without queries. A query for which no candidate is
        right is never found.

    Raises:
        TypeError, ValueError: arguments that are not as above.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> candidates = np.array([[1, 0], [0, 1], [1, 1]])
    >>> kf.metrics.recall_at_k([[1, 0.2], [1, 0.1]], candidates, [1, 2, 3], ["b", "a"], list("abb"))
    {'recall@1': 0.5, 'recall@2': 1.0, 'recall@3': 1.0}
    """
    if not isinstance(k, (list, tuple)) or not k:
        raise TypeError(f"k: expected a sequence of ints. Received: {k!r}")
    ks = [check_int("k", value) for value in k]
    queries, candidates = _rows("queries", queries), _rows("candidates", candidates)
    count, others = len(queries), len(candidates)
    if queries.shape[1] != candidates.shape[1]:
        raise ValueError(
            "queries: expected embeddings as wide as those of candidates. "
            f"Received: {queries.shape} and {candidates.shape}"
        )
    if (query_labels is None) != (labels is None):
        raise ValueError(
            "labels: expected both query_labels and labels, or neither of them. "
            f"Received: query_labels={query_labels!r} and labels={labels!r}"
        )
    if labels is None and count != others:
        raise ValueError(
            "queries: expected one for each candidate, as there are no labels. "
            f"Received: {count} and {others}"
        )
    asked = _vector("query_labels", np.arange(count) if labels is None else query_labels, count)
    labels = _vector("labels", np.arange(others) if labels is None else labels, others)
    if left_out is not None:
        left_out = _vector("left_out", left_out, count)
        rows = left_out.dtype.kind in "iu" and np.all((left_out >= 0) & (left_out < others))
        if count and not rows:
            raise ValueError(f"left_out: expected rows of candidates. Received: {left_out!r}")
    if not count:
        return {f"recall@{k}": float("nan") for k in ks}
    hits = np.zeros(len(ks))
    for start in range(0, count, _ROWS):
        part = slice(start, start + _ROWS)
        scores = queries[part] @ candidates.T
        right = asked[part, None] == labels
        if left_out is not None:
            rows = np.arange(len(scores))
            scores[rows, left_out[part]] = -np.inf
            right[rows, left_out[part]] = False
        hits += [found.sum() for found in _found(scores, right, ks)]
    return {f"recall@{k}": float(n / count) for k, n in zip(ks, hits, strict=True)}


def unit_length(x):
    """Rows of length one, in float64."""
    x = np.asarray(x, "float64")
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def _found(scores, right, ks):
    """For every K the chance of each row that one of its best K is right."""
    best = np.max(np.where(right, scores, -np.inf), axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # inf - inf: nothing is right, which ends below
        tied = np.abs(scores - best) <= 1e-6  # a product of floats rounds otherwise elsewhere
    better = ((scores > best) & ~tied).sum(axis=1)
    wrong, right = ((tied & ~right).sum(axis=1), (tied & right).sum(axis=1))
    for k in ks:
        # All that are drawn from the tied ones, for the places that are left, are wrong ones.
        missed = np.ones(len(scores))
        for drawn in range(k):
            chance = np.maximum(wrong - drawn, 0) / np.maximum(wrong + right - drawn, 1)
            missed = missed * np.where(drawn < k - better, chance, 1)
        yield np.where(right > 0, 1 - missed, 0)


def _rows(label, x):
    x = np.asarray(x)
    if x.ndim != 2 or x.dtype.kind not in "fiub" or not np.isfinite(x).all():
        raise ValueError(
            f"{label}: expected finite embeddings (samples, units). "
            f"Received: {x.dtype} of shape {x.shape}"
        )
    return unit_length(x)


def _vector(label, x, count):
    x = np.asarray(x)
    if x.shape != (count,):
        raise ValueError(f"{label}: expected shape ({count},). Received: {x.shape}")
    return x

"""Recall at K among embeddings."""

import numpy as np

_ROWS = 1024  # of the table of similarities at a time


def recalls(queries, candidates, ks):
    """How often the partner of a query is among its K most similar candidates.

    Candidates as similar as the partner are counted as if their order were drawn: with all
    embeddings equal, that is K of the number of candidates.

    Args:
        queries, candidates: Arrays `(samples, units)`, compared by their cosine; partners stand in
            equal rows.
        ks: Sequence of positive integers.

    Returns:
        Dict `{"recall@K": float}`; NaN without samples.
    """
    if not len(queries):
        return {f"recall@{k}": float("nan") for k in ks}
    queries, candidates = unit(queries), unit(candidates)
    hits = np.zeros(len(ks))
    for start in range(0, len(queries), _ROWS):
        scores = queries[start : start + _ROWS] @ candidates.T
        rows = np.arange(len(scores))
        own = scores[rows, start + rows][:, None]
        tied = np.abs(scores - own) <= 1e-6  # a product of floats rounds otherwise elsewhere
        better = ((scores > own) & ~tied).sum(axis=1)
        tied = tied.sum(axis=1)
        hits += [np.clip((k - better) / tied, 0, 1).sum() for k in ks]
    return {f"recall@{k}": float(n / len(queries)) for k, n in zip(ks, hits, strict=True)}


def unit(x):
    """Rows of length one."""
    x = np.asarray(x, "float64")
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)

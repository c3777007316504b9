"""Losses that bring the embeddings of several modalities together, in `keras.ops`.

Embeddings are tensors `(batch, units)` of any scale, one for each modality; `here` is a tensor
`(batch,)` of 1 and 0. Samples that are not here count neither as rows nor as candidates, so that
every loss is that of the others alone; where none is left, it is 0.
"""

from keras import ops

RIDGE = 1e-3  # of the covariances; with less, their inverses are noise in float32


def infonce(a, b, log_scale, here):
    """Cross-entropy of finding the partner among the batch, both ways; CLIP's."""
    scores = ops.exp(log_scale) * ops.matmul(_unit(a, here), ops.transpose(_unit(b, here)))
    return (_cross_entropy(scores, here) + _cross_entropy(ops.transpose(scores), here)) / 2


def siglip(a, b, log_scale, bias, here):
    """A yes or no for every pair of the batch: summed over candidates, averaged over samples."""
    scores = ops.matmul(_unit(a, here), ops.transpose(_unit(b, here)))
    scores = ops.exp(log_scale) * scores + bias
    signs = 2 * ops.eye(ops.shape(scores)[0], dtype=scores.dtype) - 1
    pairs = ops.expand_dims(here, 0) * ops.expand_dims(here, 1)
    return -_over(ops.sum(pairs * ops.log_sigmoid(signs * scores)), here)


def symile(embeddings, log_scale, here, draws):
    """Cross-entropy of finding the partners of each modality, by the product of all.

    Args:
        embeddings: List of tensors `(batch, units)`.
        log_scale: Scalar.
        here: Tensor `(batch,)`: samples that have all modalities.
        draws: Tensor `(modalities, batch)` of numbers in [0, 1): their order is the order in which
            the samples' embeddings make up the others' candidates.
    """
    units = [_unit(x, here) for x in embeddings]
    drawn = [ops.take(x, _shuffled(here, draws[k]), axis=0) for k, x in enumerate(units)]
    diagonal = ops.eye(ops.shape(here)[0], dtype=here.dtype)
    total = 0.0
    for k, anchor in enumerate(units):
        others = _product(x for j, x in enumerate(units) if j != k)
        candidates = _product(x for j, x in enumerate(drawn) if j != k)
        true = ops.expand_dims(ops.sum(anchor * others, axis=1), 1)
        scores = ops.matmul(anchor, ops.transpose(candidates))
        scores = diagonal * true + (1 - diagonal) * scores
        total = total + _cross_entropy(ops.exp(log_scale) * scores, here)
    return total / len(units)


def dcca(a, b, here, ridge=RIDGE):
    """Minus the sum of the canonical correlations.

    Its gradient is that of a sum in which the matrices of the closed form are constants, so that
    nothing is ever differentiated through a decomposition.
    """
    correlations, of_a, of_b, (s_aa, s_ab, s_bb) = canonical(a, b, here, ridge)
    value = ops.sum(correlations)
    d_ab = ops.matmul(of_a, ops.transpose(of_b))
    d_aa = -0.5 * ops.matmul(of_a * correlations, ops.transpose(of_a))
    d_bb = -0.5 * ops.matmul(of_b * correlations, ops.transpose(of_b))
    slope = ops.sum(d_ab * s_ab) + ops.sum(d_aa * s_aa) + ops.sum(d_bb * s_bb)
    return -(value + slope - ops.stop_gradient(slope))


def canonical(a, b, here, ridge=RIDGE):
    """Linear canonical correlation analysis, by Cholesky's factors and one SVD.

    Returns:
        The correlations `(units,)`, largest first; the matrices `(units, units)` that bring `a` and
        `b` onto the canonical directions, all three without a gradient; and the covariances of `a`,
        of `a` with `b` and of `b`.
    """
    a, b = _centered(a, here), _centered(b, here)
    count = ops.maximum(ops.sum(here) - 1, 1)
    s_aa, s_ab, s_bb = (
        ops.matmul(ops.transpose(x), y) / count for x, y in ((a, a), (a, b), (b, b))
    )
    s_aa, s_bb = (s + ridge * ops.eye(s.shape[0], dtype=s.dtype) for s in (s_aa, s_bb))
    fixed = [ops.stop_gradient(s) for s in (s_aa, s_ab, s_bb)]
    # T = S_aa^-1/2 S_ab S_bb^-1/2 has these singular values too, and S_aa^-1/2 U of it is this.
    l_a, l_b = ops.cholesky(fixed[0]), ops.cholesky(fixed[2])
    half = ops.solve_triangular(l_a, fixed[1], lower=True)
    whitened = ops.transpose(ops.solve_triangular(l_b, ops.transpose(half), lower=True))
    u, correlations, v = ops.svd(whitened, full_matrices=False)
    of_a = ops.solve_triangular(ops.transpose(l_a), u, lower=False)
    of_b = ops.solve_triangular(ops.transpose(l_b), ops.transpose(v), lower=False)
    constant = [ops.stop_gradient(x) for x in (correlations, of_a, of_b)]
    return (*constant, (s_aa, s_ab, s_bb))


def correlation(a, b, here):
    """Minus the sum of the correlations of equal units; CorrNet's term."""
    a, b = _centered(a, here), _centered(b, here)
    lengths = [ops.sqrt(ops.sum(ops.square(x), axis=0) + 1e-8) for x in (a, b)]
    return -ops.sum(ops.sum(a * b, axis=0) / (lengths[0] * lengths[1]))


def _unit(x, here):
    x = _cut(x, here)
    return x / (ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=1, keepdims=True), 1e-12)))


def _centered(x, here):
    x = _cut(x, here)
    mean = ops.sum(x, axis=0, keepdims=True) / ops.maximum(ops.sum(here), 1)
    return (x - mean) * ops.expand_dims(here, 1)


def _cut(x, here):
    """Zeros where a sample is not here: NaN times 0 would be NaN, in the gradient too."""
    return ops.where(ops.expand_dims(here, 1) > 0, x, ops.zeros_like(x))


def _cross_entropy(scores, here):
    """That of the diagonal among the columns, averaged over the rows."""
    candidates = ops.logsumexp(ops.where(ops.expand_dims(here, 0) > 0, scores, -1e9), axis=1)
    return _over(ops.sum(here * (candidates - ops.diagonal(scores))), here)


def _over(total, here):
    return total / ops.maximum(ops.sum(here), 1)


def _shuffled(here, draws):
    """For every sample that is here another one that is, or itself; each once."""
    drawn = ops.argsort(draws + 2 * (1 - here))  # those who are here come first
    places = ops.where(here > 0, ops.cumsum(here), ops.sum(here) + ops.cumsum(1 - here)) - 1
    return ops.take(drawn, ops.cast(places, "int32"), axis=0)


def _product(tensors):
    first, *others = tensors
    for tensor in others:
        first = first * tensor
    return first

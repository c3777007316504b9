"""Tensors as tokens: the places that an attention looks at, and which of them count."""

from keras import ops


def check_masks(masks, modalities):
    """One mask or `None` for each of the modalities; an error for anything else."""
    masks = [None] * len(modalities) if masks is None else masks
    if not isinstance(masks, (list, tuple)) or len(masks) != len(modalities):
        raise ValueError(
            f"mask: expected a list with one mask or None for each of {len(modalities)} "
            f"modalities. Received: {masks!r}"
        )
    for mask, x in zip(masks, modalities, strict=True):
        check_mask(mask, tuple(x.shape))
    return list(masks)


def check_mask(mask, shape):
    """An error unless the mask's axes are the first ones of a tensor of that shape."""
    if mask is None:
        return
    found = tuple(mask.shape)
    known = zip(found[1:], shape[1:-1], strict=False)
    fits = 2 <= len(found) < len(shape) and all(a == b or None in (a, b) for a, b in known)
    if not fits:
        raise ValueError(
            "mask: expected the first axes of its tensor, (batch, steps) of a sequence. "
            f"Received: {found} for a tensor of shape {shape}"
        )


def tokens_of(x, mask, here, dtype):
    """A tensor as tokens, and which of them count.

    Args:
        x: `(batch, ..., features)`; a vector is one token, a map has one at every place.
        mask: Keras' mask of it, `(batch, steps)`, or None.
        here: `(batch,)`, whether the samples have this modality, or None.
        dtype: Of the tokens.

    Returns:
        `(batch, tokens, features)`, zeros where a token does not count (whatever stood there),
        and bool `(batch, tokens)`, or None where all of them count.
    """
    x = ops.cast(x, dtype)
    tokens = ops.reshape(x, (ops.shape(x)[0], -1, x.shape[-1]))
    given = [ops.cast(m, "bool") for m in (mask, here) if m is not None]
    if not given:
        return tokens, None
    counts = ops.ones_like(x[..., 0], dtype="bool")
    for part in given:
        spread = (*ops.shape(part), *(1,) * (len(x.shape) - 1 - len(part.shape)))
        counts = ops.logical_and(counts, ops.reshape(part, spread))
    counts = ops.reshape(counts, (ops.shape(x)[0], -1))
    # Not counts[:, :, None]: LiteRT cannot index a mask.
    return ops.where(ops.expand_dims(counts, -1), tokens, ops.zeros_like(tokens)), counts


def all_tokens_of(modalities, masks, present, dtype):
    """`tokens_of` for every modality: the list of their tokens, and that of which count."""
    columns = [None if present is None else present[:, k] for k in range(len(modalities))]
    pairs = [
        tokens_of(x, mask, here, dtype)
        for x, mask, here in zip(modalities, masks, columns, strict=True)
    ]
    return [tokens for tokens, _ in pairs], [counts for _, counts in pairs]


def filled(tokens, counts):
    """`counts`, with ones for the modalities of which all tokens count."""
    return [
        ops.ones_like(t[..., 0], dtype="bool") if c is None else c
        for t, c in zip(tokens, counts, strict=True)
    ]


def shares_of(scores, counts):
    """A softmax over the tokens of `(batch, tokens, readers)`: float32, 0 for what does not count.

    Where nothing counts, all tokens are alike. Not `ops.softmax`, which warns of single tokens.
    """
    scores = ops.where(ops.expand_dims(counts, -1), ops.cast(scores, "float32"), -1e30)
    powers = ops.exp(scores - ops.max(scores, axis=1, keepdims=True))
    return powers / ops.sum(powers, axis=1, keepdims=True)


def mean_of(tokens, counts):
    """The mean over the tokens that count, `(batch, features)`; zeros where none does."""
    if counts is None:
        return ops.mean(tokens, axis=1)
    # In float32: float16 does not hold the sums of long sequences.
    weights = ops.cast(counts, "float32")[:, :, None]
    total = ops.sum(ops.cast(tokens, "float32") * weights, axis=1)
    return ops.cast(total / ops.maximum(ops.sum(weights, axis=1), 1.0), tokens.dtype)

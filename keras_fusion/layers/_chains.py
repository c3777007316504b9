"""Sums and maxima over all paths of a chain of states, by recursion over the steps."""

import keras
from keras import ops

_FORBIDDEN = -1e9
# TensorFlow's XLA has no gradient of a scan: its lists of steps would need a fixed length.
SUPPORTS_JIT = keras.backend.backend() != "tensorflow"


def counted(emissions, mask):
    """Float32 emissions, zeros where a step does not count, and which do, `(batch, steps)`."""
    emissions = ops.cast(emissions, "float32")
    first = ops.reshape(emissions, (*ops.shape(emissions)[:2], -1))[..., 0]
    if mask is None:
        return emissions, ops.ones_like(first)
    mask = ops.cast(mask, "bool")
    emissions = ops.where(_spread(mask, emissions), emissions, ops.zeros_like(emissions))
    return emissions, ops.cast(mask, "float32")


def _spread(x, like):
    for _ in range(len(like.shape) - len(x.shape)):
        x = ops.expand_dims(x, -1)
    return x


def forward(emissions, counts, start, transitions, best=False):
    """The scores of all paths that end in a state, at every step.

    Args:
        emissions: `(batch, steps, ..., states)`.
        counts: `(batch, steps)`, 1 for steps that count; the others leave everything as it is.
        start: `(..., states)`.
        transitions: `(..., states, states)`, from row to column.
        best: Boolean, whether of all paths the best one counts, in place of their logsumexp.
            Defaults to `False`.

    Returns:
        The scores at the last step, `(batch, ..., states)`; and at all, `(steps, batch, ...)`.
    """
    reduce = ops.max if best else ops.logsumexp

    def step(carry, x):
        scores, seen = carry
        emission, here = x[..., :-1], x[..., -1:]
        onward = reduce(ops.expand_dims(scores, -1) + transitions, axis=-2)
        onward = ops.where(seen > 0, onward, start + ops.zeros_like(onward))
        scores = ops.where(here > 0, onward + emission, scores)
        carry = (scores, ops.maximum(seen, here))
        return carry, carry

    none = (ops.zeros_like(emissions[:, 0]), ops.zeros_like(emissions[:, 0, ..., :1]))
    (last, _), (scores, _) = ops.scan(step, none, _by_step(emissions, counts))
    return last, scores


def _by_step(x, counts):
    """One tensor `(steps, batch, ..., states + 1)`: TensorFlow scans no two of open length."""
    counts = _spread(counts, x) + ops.zeros_like(x[..., :1])
    return ops.swapaxes(ops.concatenate([x, counts], axis=-1), 0, 1)


def log_partition(emissions, counts, start, transitions, end):
    """log Z of every sequence; 0 of one without steps that count."""
    last, _ = forward(emissions, counts, start, transitions)
    total = ops.logsumexp(last + end, axis=-1)
    return ops.where(_spread(ops.max(counts, axis=1), total) > 0, total, ops.zeros_like(total))


def log_likelihood(labels, emissions, counts, start, transitions, end):
    """log p of the labels `(batch, steps)`: a sum over one path, less that over all."""
    states = emissions.shape[-1]
    wrong = 1 - ops.one_hot(ops.cast(labels, "int32"), states, dtype="float32")
    both = ops.concatenate([emissions + _FORBIDDEN * wrong, emissions], axis=0)
    both = log_partition(both, ops.concatenate([counts, counts]), start, transitions, end)
    one, every = ops.split(both, 2, axis=0)
    return one - every


def marginals(emissions, counts, start, transitions, end):
    """p of every state at every step, `(batch, steps, states)`."""
    _, before = forward(emissions, counts, start, transitions)
    backward = (ops.flip(emissions, 1), ops.flip(counts, 1), end, ops.transpose(transitions))
    _, after = forward(*backward)
    scores = ops.swapaxes(before + ops.flip(after, 0), 0, 1) - emissions
    scores = scores - ops.max(scores, axis=-1, keepdims=True)
    powers = ops.exp(scores)
    return powers / ops.sum(powers, axis=-1, keepdims=True)


def best_path(emissions, counts, start, transitions, end):
    """The most likely path as a whole, int32 `(batch, steps)`.

    A step that does not count has the state of the next one that does, or 0 if there is none.
    """
    _, scores = forward(emissions, counts, start, transitions, best=True)
    onward = ops.transpose(transitions)

    def step(carry, x):
        state, later = carry
        score, here = x[..., :-1], x[..., -1:]
        rest = ops.where(later > 0, ops.matmul(state, onward), end + 0 * state)
        found = ops.argmax(score + rest, axis=-1)
        found = ops.one_hot(found, end.shape[0], dtype="float32")
        state = ops.where(here > 0, found, state)
        carry = (state, ops.maximum(later, here))
        return carry, carry

    none = (ops.zeros_like(emissions[:, 0]), ops.zeros_like(counts[:, :1]))
    scores = _by_step(ops.swapaxes(scores, 0, 1), counts)
    _, (states, _) = ops.scan(step, none, scores, reverse=True)
    return ops.cast(ops.argmax(ops.swapaxes(states, 0, 1), axis=-1), "int32")

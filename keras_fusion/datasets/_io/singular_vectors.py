"""Which singular vectors each of two views keeps, given the energy of every vector."""

import numpy as np

TOLERANCE = 0.001  # a draw this close to the energy asked for is good
_LIMIT = 0.05  # views farther away are an error
_DRAWS = 20


def _shared(count, share_ratio):
    return round(share_ratio * count)


def _largest_count(spectrum, energy, share_ratio):
    """The most vectors a view can have; raises if they cannot hold the energy."""
    count = int(len(spectrum) / (2 - share_ratio) + 1e-9)
    shared = _shared(count, share_ratio)
    # At best the leading vectors are shared, and the rest is halved between the views.
    total = np.concatenate([[0.0], np.cumsum(spectrum)])
    most = (total[shared] + total[2 * count - shared]) / 2
    if count == 0 or energy > most + TOLERANCE:
        raise ValueError(
            f"Two views of these images ({len(spectrum)} singular vectors) with "
            f"share_ratio={share_ratio} can have at most the energy {most:.4f} each: lower "
            f"`energy` or raise `share_ratio`. Received: energy={energy}, "
            f"share_ratio={share_ratio}"
        )
    return count


def random_vectors(spectrum, energy, share_ratio, seed):
    """Two sets of equal size, drawn at random and moved to the energy by swaps."""
    count = _largest_count(spectrum, energy, share_ratio)
    count = min(count, max(1, round(energy * len(spectrum))))
    shared = _shared(count, share_ratio)
    # RandomState, because NumPy keeps its stream for good; that of a Generator may change.
    rng = np.random.RandomState(seed)

    def draw():
        order = rng.permutation(len(spectrum))
        own_b = order[count : 2 * count - shared]
        return order[:count], np.concatenate([order[:shared], own_b]), order[:0]

    return _nearest(spectrum, energy, share_ratio, rng, draw)


def _nearest(spectrum, energy, share_ratio, rng, draw):
    """Of some draws the one that comes nearest to the energy after swaps.

    `draw()` returns the vectors of both views and those that must stay where they are.
    """
    everything = np.arange(len(spectrum))
    best, best_error = None, np.inf
    for _ in range(_DRAWS):
        *kept, fixed = draw()
        in_a, in_b = (np.isin(everything, vectors) for vectors in kept)
        error = _swap(spectrum, energy, in_a, in_b, rng, np.setdiff1d(everything, fixed))
        if error < best_error:
            best, best_error = (np.flatnonzero(in_a), np.flatnonzero(in_b)), error
        if best_error <= TOLERANCE:
            break
    if best_error > _LIMIT:
        raise _unreachable(spectrum, best_error, energy, share_ratio)
    return best


def _swap(spectrum, energy, in_a, in_b, rng, among):
    """Swaps random pairs `among` vectors in place while that helps; returns the larger error."""
    miss_a = spectrum[in_a].sum() - energy
    miss_b = spectrum[in_b].sum() - energy
    error = max(abs(miss_a), abs(miss_b))
    # int64 for the same stream on every platform.
    pairs = rng.randint(len(among), size=(100 * len(among), 2), dtype="int64")
    for i, j in among[pairs].tolist():
        if error <= TOLERANCE:
            break
        gain = spectrum[j] - spectrum[i]
        new_a = miss_a + gain * (int(in_a[i]) - int(in_a[j]))
        new_b = miss_b + gain * (int(in_b[i]) - int(in_b[j]))
        new_error = max(abs(new_a), abs(new_b))
        if new_error < error:
            miss_a, miss_b, error = new_a, new_b, new_error
            in_a[[i, j]] = in_a[[j, i]]
            in_b[[i, j]] = in_b[[j, i]]
    return error


def leading_vectors(spectrum, energy, share_ratio, seed=None):
    """The fewest leading vectors: the first shared, the next dealt in turn; `seed` is not used."""
    for count in range(1, _largest_count(spectrum, energy, share_ratio) + 1):
        shared = _shared(count, share_ratio)
        kept = _dealt(spectrum, range(shared), range(shared, 2 * count - shared))
        have = min(spectrum[vectors].sum() for vectors in kept)
        if have >= energy - TOLERANCE:
            return kept
    if have < energy - _LIMIT:
        raise _unreachable(spectrum, energy - have, energy, share_ratio)
    return kept


def tail_vectors(spectrum, energy, share_ratio, seed):
    """As many vectors as the energy allows: the smallest shared, the others dealt in turn.

    Too much energy is thinned out along the whole spectrum, from a drawn start. Where even all
    vectors hold too little, large ones must be shared: then they are drawn at random.
    """
    _largest_count(spectrum, energy, share_ratio)
    usable = np.flatnonzero(spectrum <= energy + TOLERANCE)
    everything = _tail_of(spectrum, usable, share_ratio)
    if everything[0] < energy - TOLERANCE:
        return random_vectors(spectrum, energy, share_ratio, seed)
    rng = np.random.RandomState(seed)

    def draw():
        start, (low, high), tried = rng.uniform(), (0.0, 1.0), [everything]
        # More of the spectrum is more energy, but for single vectors.
        for _ in range(40 if everything[0] > energy + TOLERANCE else 0):
            part = (low + high) / 2
            tried.append(_tail_of(spectrum, _thinned(spectrum, usable, part, start), share_ratio))
            low, high = (part, high) if tried[-1][0] < energy else (low, part)
        _, common, kept = min(tried, key=lambda found: abs(found[0] - energy))
        return *kept, common

    return _nearest(spectrum, energy, share_ratio, rng, draw)


def _thinned(spectrum, vectors, part, start):
    """Some of the vectors, all along, that hold `part` of their energy."""
    kept, have = [], -start * part * spectrum[vectors[0]]
    for vector, goal in zip(vectors, part * np.cumsum(spectrum[vectors]), strict=True):
        if have + spectrum[vector] / 2 <= goal:
            kept.append(vector)
            have += spectrum[vector]
    return np.array(kept, int)


def _tail_of(spectrum, vectors, share_ratio):
    """Two views of these vectors, the last of them shared.

    Returns:
        The mean energy of both, the vectors that are shared, and those of each.
    """
    count = int(len(vectors) / (2 - share_ratio) + 1e-9)
    shared = _shared(count, share_ratio)
    others, common = np.split(vectors[: 2 * count - shared], [2 * (count - shared)])
    kept = _dealt(spectrum, common, others)
    return np.mean([spectrum[view].sum() for view in kept]), common, kept


def _dealt(spectrum, common, others):
    """Both views have what is common; the poorer gets the larger one of the next two others."""
    kept, have = [list(common), list(common)], [0.0, 0.0]
    for larger, smaller in zip(others[::2], others[1::2], strict=True):
        poorer = int(have[1] < have[0])
        for view, vector in ((poorer, larger), (1 - poorer, smaller)):
            kept[view].append(vector)
            have[view] += spectrum[vector]
    return kept


def _unreachable(spectrum, error, energy, share_ratio):
    return ValueError(
        f"The {len(spectrum)} singular vectors of these images, the largest of energy "
        f"{spectrum[0]:.3f}, are too few or too unequal to make such views: the nearest found "
        f"miss the energy by {error:.3f}. Received: energy={energy}, share_ratio={share_ratio}"
    )

"""The kernels of multiple kernel learning: names, values, scales, and rows for landmarks."""

import random

import numpy as np
from keras import ops

from keras_fusion._checks import is_int, is_number

# Each with its default parameter: factor of the bandwidth, none, degree.
KERNELS = {"rbf": 1.0, "linear": None, "polynomial": 2}


def frozen(kernels):
    """The argument with tuples in place of its lists."""
    if isinstance(kernels, (list, tuple)):
        return tuple(frozen(item) for item in kernels)
    return kernels.item() if isinstance(kernels, np.number) else kernels


def plain(kernels):
    """The same with lists again."""
    return [plain(item) for item in kernels] if isinstance(kernels, tuple) else kernels


def is_kernel(value):
    """Whether it has the form of one kernel: a name, or name and parameter."""
    return isinstance(value, str) or (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and isinstance(value[0], str)
        and is_number(value[1])
    )


def kernel_table(kernels, modalities=1):
    """All kernels as `(modality, name, parameter)`; an error for anything else."""
    groups = (kernels,) if is_kernel(kernels) else kernels
    if isinstance(groups, tuple) and groups and all(is_kernel(item) for item in groups):
        groups = (groups,) * modalities
    elif modalities == 1 and isinstance(groups, tuple):
        modalities = len(groups)  # not known yet
    is_table = isinstance(groups, tuple) and all(
        isinstance(group, tuple) and group and all(is_kernel(item) for item in group)
        for group in groups
    )
    if not is_table or not groups:
        raise TypeError(
            "kernels: expected a kernel, a list of kernels, or one such list for each modality; "
            f"a kernel is one of {list(KERNELS)} or a pair of name and number. "
            f"Received: {plain(kernels)!r}"
        )
    if len(groups) != modalities:
        raise ValueError(
            f"kernels: expected {modalities} lists, one for each modality. "
            f"Received: {plain(kernels)!r}"
        )
    return tuple((k, *_named(kernel)) for k, group in enumerate(groups) for kernel in group)


def _named(kernel):
    """A kernel as name and parameter."""
    name, parameter = (kernel, None) if isinstance(kernel, str) else kernel
    if name not in KERNELS:
        raise ValueError(f"kernels: expected one of {list(KERNELS)}. Received: {name!r}")
    if parameter is None:
        return name, KERNELS[name]
    is_degree = is_int(parameter) and parameter >= 1
    if not {"rbf": parameter > 0, "polynomial": is_degree}.get(name, False):
        raise ValueError(
            'kernels: expected ("rbf", float > 0) or ("polynomial", int >= 1). '
            f"Received: {kernel!r}"
        )
    return name, parameter


def kernel(x, z, gamma, name, parameter):
    """The kernel between all rows of `x` and of `z`."""
    if name == "rbf":
        # Around the landmarks, as differences of large squares lose their digits.
        center = ops.mean(z, axis=0)
        x, z = x - center, z - center
        lengths = ops.sum(x * x, axis=-1)[:, None] + ops.sum(z * z, axis=-1)
        return ops.exp(-gamma * ops.maximum(lengths - 2.0 * ops.matmul(x, ops.transpose(z)), 0.0))
    products = gamma * ops.matmul(x, ops.transpose(z))
    return products if name == "linear" else ((products + 1.0) / 2.0) ** parameter


def gamma_of(name, parameter, distance, squared_length):
    """A kernel's gamma for points of that median distance and mean squared length."""
    if name == "rbf":
        return 1 / (2 * (parameter * distance) ** 2)
    return 1 / squared_length


def scales_of(points, k):
    """Median distance of two points that differ, and mean squared length, of modality `k`."""
    if not np.isfinite(points).all():
        raise ValueError(
            f"modalities: expected finite values. Received: NaN or infinity in modality {k}"
        )
    points = points.astype("float64")
    squares = (points**2).sum(axis=1)
    distances = squares[:, None] + squares[None, :] - 2 * points @ points.T
    apart = distances[distances > 1e-9 * squares.max()]
    if not apart.size:
        raise ValueError(
            f"modalities: expected rows that differ. Received: {len(points)} rows of modality "
            f"{k} that are all alike"
        )
    return np.sqrt(np.median(apart)), squares.mean()


def draw_rows(count, landmarks, present, seed):
    """Indices of as many rows, drawn from those in which nothing is absent."""
    complete = np.arange(count)
    if present is not None:
        complete = complete[ops.convert_to_numpy(present).astype(bool).all(axis=1)]
    if len(complete) < landmarks:
        raise ValueError(
            f"modalities: expected {landmarks} or more rows with all modalities, one for each "
            f"landmark. Received: {len(complete)}"
        )
    seed = random.randrange(2**31) if seed is None else seed
    return np.random.default_rng(seed).choice(complete, landmarks, replace=False)


def inverse_root(kernel_matrix):
    """(K + eps I)^-1/2 of a kernel matrix, with eps 1e-6 of the largest eigenvalue."""
    values, bases = np.linalg.eigh((kernel_matrix + kernel_matrix.T).astype("float64") / 2)
    values = np.maximum(values, 0) + 1e-6 * values[-1]
    return bases / np.sqrt(values) @ bases.T

"""The fusion levels of several streams, and the path from a level up to the prediction."""

import keras
from keras import layers

from keras_fusion.graph import shape_name
from keras_fusion.models.assembly._alignment import align_tensors, at_places
from keras_fusion.models.assembly._cells import central_cell, flat


def paired_levels(streams, align="auto", max_width=1024, use_inputs=True):
    """Lists of tensors that meet, lowest level first, aligned; the predictions not included.

    The streams' points are paired from the output end, as Table 3 of CentralNet pairs a network
    of six layers with one of four.

    Args:
        streams: List of `Stream`.
        align, max_width: See `build_centralnet`.
        use_inputs: Boolean, whether the inputs are the lowest level where their shapes are equal.
            Defaults to `True`.
    """
    levels = []
    if use_inputs and _inputs_match(streams):
        levels.append([s.masked_inputs for s in streams])
    depth = min(len(s.tensors) for s in streams)
    for i in range(depth):
        levels.append([s.tensors[len(s.tensors) - depth + i] for s in streams])
    if not levels:
        shallow = min(streams, key=lambda s: len(s.tensors)).name
        raise ValueError(
            f'backbone "{shallow}": expected at least one hidden layer to fuse before the '
            "prediction. Received: none; name one with taps={...}, or use a late fusion"
        )
    names = [s.name for s in streams]
    aligned = [
        align_tensors(tensors, names, f"level_{i}", align, max_width)
        for i, tensors in enumerate(levels)
    ]
    _check_open_sizes(levels, aligned, streams)
    return aligned


def _check_open_sizes(levels, aligned, streams):
    """Sizes that are open (None) are not pooled: they must be the same wherever they meet."""
    still_open = [i for i, level in enumerate(aligned) if None in level_shape(level)]
    if not still_open:
        return
    fixed = {}  # what the shapes are where every open size of an input is 64
    for stream in streams:
        inputs = stream.masked_inputs
        given = keras.tree.map_structure(_with_fixed_sizes, inputs)
        specs = keras.Model(inputs, [*stream.tensors, stream.logits]).compute_output_spec(given)
        fixed.update({id(t): s.shape for t, s in zip(stream.tensors, specs, strict=False)})
        fixed.update(
            {
                id(t): g.shape
                for t, g in zip(keras.tree.flatten(inputs), keras.tree.flatten(given), strict=True)
            }
        )
    sizes = {
        (stream.name, f"level_{i}"): fixed[id(tensor)][1:-1]
        for i in still_open
        for stream, tensor in zip(streams, levels[i], strict=True)
    }
    if len(set(sizes.values())) > 1:
        described = ", ".join(f"{level} of {name}: {size}" for (name, level), size in sizes.items())
        raise ValueError(
            "expected open sizes (None) that are the same in all backbones and at all levels, "
            f"because they cannot be pooled. Received, of an input of length 64: {described}. "
            "Give the backbones inputs of fixed size, or choose other layers with taps="
        )


def _with_fixed_sizes(tensor):
    shape = (1, *(64 if size is None else size for size in tensor.shape[1:]))
    return keras.KerasTensor(shape, tensor.dtype)


def _inputs_match(streams):
    """Whether the inputs themselves can be a fusion level: equal shapes, real numbers."""
    if any(isinstance(s.inputs, dict) for s in streams):
        return False
    shapes = {tuple(s.inputs.shape[1:]) for s in streams}
    return len(shapes) == 1 and all("float" in s.inputs.dtype for s in streams)


def level_shape(tensors):
    """The common shape of a level's tensors, without the batch."""
    return tuple(tensors[0].shape[1:])


def cells_above(levels, head, cells=None, kernel_size=3, dropout=0.5):
    """One function per level, which takes its fused tensor to the next level or to the logits.

    Args:
        levels: What `paired_levels` returns.
        head: `Head`; the last cell makes its logits.
        cells: Optional list with a layer, a function on tensors or `None` for each level. Defaults
            to `None`.
        kernel_size, dropout: Of the default cells.
    """
    if cells is None:
        cells = [None] * len(levels)
    if not isinstance(cells, (list, tuple)) or len(cells) != len(levels):
        shapes = ", ".join(shape_name(level_shape(level)) for level in levels)
        raise ValueError(
            f"central: expected a list of {len(levels)} cells, one per level ({shapes}). "
            f"Received: {cells!r}"
        )
    targets = [level_shape(level) for level in levels[1:]] + [(*head.places, head.units)]
    return [
        _checked(cell, target, i)
        if cell is not None
        else _default(target, i, i + 1 == len(levels), kernel_size, dropout, head.places != ())
        for i, (cell, target) in enumerate(zip(cells, targets, strict=True))
    ]


def _default(target, level, is_last, kernel_size, dropout, per_place):
    name = f"central_cell_{level}"
    if is_last:
        logits = layers.Dense(target[-1], name="central_logits")
        if len(target) > 1:
            return lambda fused: logits(at_places(fused, target[:-1], f"{name}_places"))
        return lambda fused: logits(flat(fused, f"{name}_flat"))
    return lambda fused: central_cell(fused, target, kernel_size, dropout, name, per_place)


def _checked(cell, target, level):
    if not callable(cell):
        raise TypeError(
            f"central[{level}]: expected a layer, a function on tensors or None. Received: {cell!r}"
        )

    def apply(fused):
        hidden = cell(fused)
        if tuple(hidden.shape[1:]) != target:
            raise ValueError(
                f"central[{level}]: expected a cell that makes {shape_name(target)}, the shape of "
                f"the next level. Received: {shape_name(hidden.shape[1:])}"
            )
        return hidden

    return apply

"""What the streams of an XFlow network do at one depth: send, add, concatenate."""

from keras import layers, ops

from keras_fusion.layers import (
    CrossConnection1D2D,
    CrossConnection2D1D,
    CrossConnectionND,
    MaskedAverage,
    ModalityMask,
    RepeatSteps,
)

NORM = {"momentum": 0.9}  # as in the backbones' blocks, for the reason given there
_FLATTEN_UP_TO = 48_000  # values of a map; the paper's largest has 45 x 60 x 16 = 43,200


def connect(tensors, cross, residual, names, depth):
    """Reads all streams for the cross-connections, then adds the residual ones to them.

    Args:
        tensors: List of tensors, of the streams.
        cross: Dict `{(source, target): function on tensors}`, by the streams' numbers; empty for
            none.
        residual: Dict `{(source, target): tensor}`, each of the shape of its target's; or empty.
        names: List of strings, of the streams.
        depth: Integer, counted from 1.

    Returns:
        Two lists: the tensors with what the residual connections bring, and of each stream the
        list of what the cross-connections bring.
    """
    made = {pair: send(tensors[pair[0]]) for pair, send in cross.items()}  # before any addition
    added, sent = [], []
    for i, (x, name) in enumerate(zip(tensors, names, strict=True)):
        own = [tensor for (_, target), tensor in residual.items() if target == i]
        added.append(layers.Add(name=f"{name}_add_{depth}")([x, *own]) if own else x)
        sent.append([tensor for (_, target), tensor in made.items() if target == i])
    return added, sent


def concatenated(tensors, name, norm=None, dropout=0.0, mask=None):
    """Concatenates tensors; normalizes and drops if asked to.

    Args:
        tensors: List of tensors, one or more.
        name: String, of the place; the layers are called `<name>_concat`, `_bn` and `_dropout`.
        norm: Optional dict of arguments of the batch normalization. Defaults to `None`.
        dropout: Float in [0, 1). Defaults to `0.0`.
        mask: Optional bool tensor `(batch, steps)`, which steps the normalization counts. Defaults
            to `None`, all.
    """
    x = layers.Concatenate(name=f"{name}_concat")(tensors) if len(tensors) > 1 else tensors[0]
    if norm is not None:
        normed = layers.BatchNormalization(**norm, name=f"{name}_bn")
        # Adding 0 takes off the mask, which Keras hangs on what is made with one.
        x = normed(x) if mask is None else ops.add(normed(x, mask=mask), 0)
    return layers.Dropout(dropout, name=f"{name}_dropout")(x) if dropout else x


class Connections:
    """Makes the connections between streams, and takes out what absent modalities send.

    Args:
        streams: List of `StagedStream`.
        names: List of the modalities' names, in the order of the columns of `present`.
        present: Mask of the modalities that are there, or None.
        batch_norm, dropout: See `build_xflow`.
    """

    def __init__(self, streams, names, present, batch_norm, dropout):
        self._streams, self._names, self._present = streams, names, present
        self._raw, self._raw_masks = zip(*map(_raw_of, streams), strict=True)
        self._norm = {"batch_norm": batch_norm, **NORM}
        self._dropout = dropout
        n = range(len(streams))
        self._pairs = [(i, j) for i in n for j in n if i != j]

    def cross(self, depth, width, kernel_size):
        """`{(source, target): function on tensors}`."""
        found = {}
        for i, j in self._pairs:
            shape = self._streams[i].tensor.shape[1:]
            from_maps = {}
            if len(shape) == 3:
                from_maps = {"filters": shape[-1], "pool_size": _pool_of(shape), **self._norm}
            label, mask = f"cross_{depth}", self._streams[i].mask
            options = (shape, mask, width, kernel_size, 0, from_maps)
            found[i, j] = self._connection(i, j, label, *options)
        return found

    def residual(self, depth, kernel_size):
        """`{(source, target): tensor}`, of the shapes of the targets' tensors at this depth."""
        window, found = 4 * 2 ** (depth - 1), {}  # 4, 8 as in the paper
        for i, j in self._pairs:
            shape, rate = self._raw[i].shape[1:], self._dropout / 2
            pool = [min(window, size) for size in shape[:2]] if len(shape) == 3 else None
            from_maps = {"pool_size": pool, "dropout": rate}
            label, mask = f"residual_{depth}", self._raw_masks[i]
            options = (shape, mask, None, kernel_size, rate, from_maps)
            found[i, j] = self._connection(i, j, label, *options)
        return {(i, j): made(self._raw[i]) for (i, j), made in found.items()}

    def _connection(self, i, j, label, shape, mask, width, kernel_size, rate, from_maps):
        """The function on tensors of `shape` that leads from one stream to another.

        Between kinds it goes over a vector: the mean of the steps, the same vector at every step.
        """
        source, target = self._streams[i], self._streams[j]
        goal = target.tensor.shape[1:]
        name = f"{source.name}_to_{target.name}_{label}"
        is_sequence = len(shape) == 2
        alike = len(shape) == len(goal)
        if is_sequence and alike:
            alike = (shape[0] is None) == (goal[0] is None)
        if len(goal) == 3 and not alike:
            options = {"dropout": self._dropout, **self._norm}
            layer = CrossConnection1D2D(goal, kernel_size, **options, name=name)
        else:
            units = goal[-1] if width is None or len(goal) == 3 else width
            if len(shape) == 3 and not alike:
                layer = CrossConnection2D1D(units, **from_maps, name=name)
            else:
                sizes = (*goal[:-1], units) if alike else (units,)
                layer = CrossConnectionND(sizes, rate, name=name)

        def connection(x):
            if is_sequence and not alike:
                x = MaskedAverage(name=f"{name}_average")(x, mask=mask)
            x = layer(x)
            if len(goal) == 2 and not alike:
                x = RepeatSteps(name=f"{name}_repeat")([x, target.tensor])
            # Between two streams the shorter name is enough.
            own = label if len(self._streams) == 2 else f"to_{target.name}_{label}"
            return self.masked(x, source, own)

        return connection

    def masked(self, tensor, source, label):
        """`tensor`, zero where the modality it comes from is absent."""
        if self._present is None:
            return tensor
        mask = ModalityMask(self._names.index(source.name), name=f"{source.name}_{label}_mask")
        return mask(tensor, self._present)


def _raw_of(stream):
    """A stream's input as floats, and which of its steps count, None for all."""
    x, mask = stream.inputs, None
    if len(x.shape) == 3 and stream.zeros_are_padding:
        mask = ops.any(ops.not_equal(x, 0), axis=-1)
    if "float" not in x.dtype:
        x = layers.Rescaling(1.0, name=f"{stream.name}_float")(x)
    return x, mask


def _pool_of(shape):
    """None, or the window that brings large maps down to what a dense layer can take."""
    height, width, channels = shape
    window = 1
    while (height // window) * (width // window) * channels > _FLATTEN_UP_TO and window < min(
        height, width
    ):
        window += 1
    return window if window > 1 else None

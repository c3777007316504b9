"""The base class of layers that fuse: a list of tensors in, one for each modality."""

import inspect

import keras
from keras import ops

PER = (None, "layer", "sample")


class FusionLayer(keras.layers.Layer):
    """Base class of all layers that fuse a list of tensors, one for each modality.

    Use it to write a fusion of your own, as Keras' merging layers stand on a class of theirs. A
    subclass has `__init__`, `build` (which calls `super().build(...)` first) if it has weights,
    `call(self, modalities, present=None)`, which starts with `mask_absent`, and `get_config`.
    The base class does the rest:

    - What the layer takes is said by the class attributes `min_modalities`, `ranks`, `equal` and
      `open_features`. Anything else is refused at every call, eager or symbolic, and so are
      strings, and a `present` or `central` that does not fit.
    - `build` keeps the numbers of features as `widths`, and sets Keras' `input_spec` (rank and
      last axis of every modality; other sizes may vary), so that later calls have as many
      modalities, of the same ranks and widths.
    - `mask_absent` takes out of the tensors what is absent.
    - `compute_mask` is that of Keras' merging layers, for layers whose output has the steps of
      their inputs.
    - The output's shape is found by Keras, which traces `call`. A layer that says it by itself
      (`compute_output_shape`) is not traced.

    Keras wants the name of every argument of `build` to be `<name>_shape`, `<name>` being an
    argument of `call`.

    Args:
        **kwargs: `name`, `dtype` and the other arguments of every Keras layer.

    Attributes:
        min_modalities: Positive integer, the least number of modalities. Defaults to `1`.
        ranks: Tuple of integers, the ranks that a modality's tensor may have, the batch axis
            counted, or `None` for any from 2 up. Defaults to `None`.
        equal: What all modalities (and `central`) have in common: `"shape"`,
            `"all but features"` (the shape without its last axis) or `None`, nothing. Defaults
            to `None`.
        open_features: Boolean, whether the size of the last axis may be unknown. Defaults to
            `False`.
        fusion_weights_per: Whether the layer has weights that are shares of its sources, which
            are the modalities in their order, then `central` if there is one. `None`: it has
            none. `"layer"`: its method `fusion_weights()` gives a NumPy array `(sources,)`, the
            same for all samples. `"sample"`: its method
            `fusion_weights(modalities, present=None)`, with the arguments of `call`, gives a
            tensor `(batch, sources)`, or `(batch, ..., sources)` where every step or place has
            shares of its own; an argument `mask` gets which steps count. Shares are not negative
            and sum to 1 (or are all 0). Defaults to `None`.
        widths: List of integers, the numbers of features that the layer was built for.

    Call arguments:
        modalities: List of tensors, one for each modality.
        present: Optional tensor `(batch, number of modalities)` of booleans or 0 and 1, in the
            order of `modalities`: which modalities each sample has.

    Example:

    ```python
    import keras
    import numpy as np
    import keras_fusion as kf

    @keras.saving.register_keras_serializable()
    class ScaledSum(kf.layers.FusionLayer):
        min_modalities = 2
        equal = "shape"

        def __init__(self, start=1.0, **kwargs):
            super().__init__(**kwargs)
            self.start = start

        def build(self, modalities_shape, present_shape=None):
            super().build(modalities_shape, present_shape=present_shape)
            start = keras.initializers.Constant(self.start)
            self.scales = self.add_weight((len(modalities_shape),), start, name="scales")

        def call(self, modalities, present=None):
            modalities = self.mask_absent(modalities, present)
            return sum(self.scales[k] * x for k, x in enumerate(modalities))

        def get_config(self):
            return {**super().get_config(), "start": self.start}

    layer = ScaledSum(start=0.5)
    image, sound = np.ones((2, 3)), np.full((2, 3), np.nan)
    fused = layer([image, sound], present=np.array([[1, 0], [1, 0]]))
    print(np.array(fused).tolist())  # [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]
    ```
    """

    min_modalities = 1
    ranks = None
    equal = None
    open_features = False
    fusion_weights_per = None
    # Whether there is a central tensor; None where it may come and go.
    has_central = None
    # Arguments of the call whose shapes `check_shapes` gets.
    checked = ("central", "present")

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls._call_names = tuple(inspect.signature(cls.call).parameters)[2:]
        if cls.fusion_weights_per not in PER:
            raise ValueError(
                f"fusion_weights_per: expected one of {PER}. Received: {cls.fusion_weights_per!r}"
            )

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def __call__(self, modalities, *args, **kwargs):
        # Before Keras turns them into tensors, and for symbolic tensors too.
        shapes = [self._shape_of(x) for x in self._as_list(modalities)]
        given = {**dict(zip(self._call_names, args, strict=False)), **kwargs}
        others = {}
        for name in self.checked:
            if given.get(name) is not None:
                if not hasattr(given[name], "shape"):
                    raise TypeError(f"{name}: expected a tensor. Received: {given[name]!r}")
                others[f"{name}_shape"] = tuple(given[name].shape)
        self.check_shapes(shapes, **others)
        return super().__call__(modalities, *args, **kwargs)

    # The default: Keras has no shapes for an empty list, which is an error of check_shapes.
    def build(self, modalities_shape=(), **shapes):
        """Checks the shapes, and keeps what later calls must have in common with them.

        Args:
            modalities_shape: List of shapes, one for each modality. Defaults to `()`.
            **shapes: `present_shape`, and other shapes of `check_shapes`.
        """
        found = self.check_shapes(modalities_shape, **shapes)
        self.widths = [shape[-1] for shape in found]
        self.input_spec = [
            keras.layers.InputSpec(ndim=len(s), axes={-1: s[-1]} if len(s) > 1 else None)
            for s in found
        ]

    def check_shapes(self, modalities_shape, central_shape=None, present_shape=None):
        """The modalities' shapes as tuples; an error if the layer cannot take them.

        Called with all shapes at every call, by `build`, and by `compute_output_shape` where a
        layer has one.
        """
        shapes = [modalities_shape] if modalities_shape is None else modalities_shape
        if not isinstance(shapes, (list, tuple)) or any(
            not isinstance(shape, (list, tuple)) for shape in shapes
        ):
            raise TypeError(f"{self._expected()}. Received shape: {modalities_shape}")
        shapes = [tuple(shape) for shape in shapes]
        if len(shapes) < self.min_modalities or not all(self._fits(s, shapes[0]) for s in shapes):
            raise ValueError(f"{self._expected()}. Received: {shapes}")
        if central_shape is not None and not self._fits(tuple(central_shape), shapes[0]):
            raise ValueError(
                f"central: expected a tensor like the modalities. "
                f"Received: modalities={shapes}, central={tuple(central_shape)}"
            )
        if self.has_central not in (None, central_shape is not None):
            raise ValueError(
                "central: expected it in all calls or in none, as the layer was built "
                f"{'with' if self.has_central else 'without'} it. Received: {central_shape}"
            )
        self.check_present(present_shape, len(shapes))
        return shapes

    def check_present(self, shape, columns):
        """An error unless `shape` is that of a mask with so many columns, or `None`."""
        if shape is not None and tuple(shape)[1:] != (columns,):
            raise ValueError(
                f"present: expected shape (batch, {columns}), one column per modality. "
                f"Received: {tuple(shape)}"
            )

    def _fits(self, shape, first):
        if len(shape) < 2 if self.ranks is None else len(shape) not in self.ranks:
            return False
        if self.equal is None or (shape[-1] is None and not self.open_features):
            return self.open_features or shape[-1] is not None
        end = None if self.equal == "shape" else -1
        # The batch is left out: it may be 1 where a model is built and open elsewhere.
        pairs = zip(shape[1:end], first[1:end], strict=False)
        return len(shape) == len(first) and all(a == b or None in (a, b) for a, b in pairs)

    def _expected(self):
        """The start of an error, with what the layer takes."""
        count = {1: "one", 2: "two"}.get(self.min_modalities, self.min_modalities)
        what = "vectors (batch, " if self.ranks == (2,) else "tensors (batch, ..., "
        common = {"shape": " of one and the same shape", None: ""}.get(
            self.equal, " of one shape but for the last axis"
        )
        return (
            f"{type(self).__name__}: expected modalities to be a list of {count} or more "
            f"{what}features){common}"
        )

    def _as_list(self, modalities):
        if isinstance(modalities, (list, tuple)):
            return list(modalities)
        shape = getattr(modalities, "shape", None)
        received = type(modalities).__name__
        received += "" if shape is None else f" of shape {tuple(shape)}"
        raise TypeError(f"{self._expected()}. Received: {received}")

    def _shape_of(self, x):
        """Of a tensor of numbers; an error for anything else."""
        try:
            dtype = keras.backend.standardize_dtype(x.dtype)
            shape = tuple(x.shape)
        except (AttributeError, ValueError, TypeError):
            dtype = str(getattr(x, "dtype", type(x).__name__))
            shape = None
        if shape is None or dtype == "string":
            raise TypeError(f"{self._expected()}, of numbers. Received: {dtype}")
        return shape

    def mask_absent(self, modalities, present=None, central=None, fill=0.0, dtype=None):
        """The sources to fuse, without what is absent: to be called first in `call`.

        Whatever stands in an absent modality's tensor, NaN included, then reaches neither the
        output nor a gradient.

        Args:
            modalities: List of tensors, as in `call`.
            present: Tensor `(batch, number of modalities)` or `None` if nothing is absent, as in
                `call`. Defaults to `None`.
            central: Tensor that every sample has, or `None`, as in `call`. It is the last source.
                Defaults to `None`.
            fill: Float, what stands in place of an absent modality. Defaults to `0.0`.
            dtype: String, of the result. Defaults to the layer's compute dtype.

        Returns:
            List of tensors of that dtype: the modalities, and `central` if it is given.
        """
        sources = [ops.cast(x, dtype or self.compute_dtype) for x in self._as_list(modalities)]
        if present is not None:
            here = ops.cast(present, "bool")
            sources = [
                ops.where(column(here, k, len(x.shape)), x, ops.full_like(x, fill))
                for k, x in enumerate(sources)
            ]
        return sources if central is None else [*sources, ops.cast(central, sources[0].dtype)]

    def compute_mask(self, modalities, mask=None):
        """A step counts where any modality has it; where one has no mask, every step counts."""
        if not mask or self.equal is None or self.ranks == (2,) or any(m is None for m in mask):
            return None
        combined = mask[0]
        for other in mask[1:]:
            combined = ops.logical_or(combined, other)
        return combined

    def check_built(self, method="fusion_weights"):
        """An error that names the method if the layer has no weights yet."""
        if not self.built:
            raise ValueError(
                f"{method}: expected a layer that has been built. Received: {self.name}, which "
                "has not been called yet"
            )


def column(table, k, rank):
    """Column `k` of a `(batch, n)` tensor, shaped to broadcast over a tensor of that rank."""
    return ops.reshape(table[:, k], (-1,) + (1,) * (rank - 1))


def masked_softmax(scores, present=None):
    """Shares `(batch, ..., modalities, units)` that sum to 1 over the modalities present."""
    if present is None:
        return ops.softmax(scores, axis=-2)
    between = (1,) * (len(scores.shape) - 3)
    here = ops.reshape(ops.cast(present, "bool"), (-1, *between, scores.shape[-2], 1))
    shares = ops.softmax(ops.where(here, scores, -1e30), axis=-2)
    return ops.where(here, shares, 0.0)

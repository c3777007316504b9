"""Takes an absent modality out of a model, at its input."""

import keras
import numpy as np
from keras import ops

from keras_fusion._checks import check_choice, check_int

PLACEHOLDERS = ("zero", "one", "mean", "learned")


@keras.saving.register_keras_serializable(package="keras_fusion")
class ModalityMask(keras.layers.Layer):
    """Replaces a modality's input by zeros, or others, in the samples that do not have it.

    Use it on a modality's input, before its backbone: masking further up is too late, because a
    NaN that has gone through a backbone comes back as a NaN in the gradient of its weights. A
    builder called with `missing_modalities=True` places these layers for you.

    What stands in its place is seen by the modality's own backbone. The fusion leaves an absent
    modality out, so it is only through the batch statistics of `BatchNormalization` that it
    changes what is learned; see `FusionModel`.

    Args:
        index: Integer not below 0, the modality's column in `present`.
        placeholder: "zero"; "one", for inputs in which a sample of zeros alone is padding, all of
            which a layer masks (token ids): a mean over no steps is NaN, in the gradient too;
            "mean", a weight that is not trained, zero until `adapt`; or "learned", a trained
            weight, zero at first. Both have the shape of one sample. Of strings "zero" is the empty
            one and "one" is "[UNK]". Defaults to `"zero"`.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        inputs: Tensor `(batch, ...)` of any rank from 1 up and any dtype.
        present: Tensor `(batch, number of modalities)`, bool or 0/1.

    Input shape:
        `inputs`: `(batch, ...)`; `present`: `(batch, number of modalities)`.

    Output shape:
        That of `inputs`, and its dtype.

    Raises:
        ValueError: "mean" or "learned" for inputs of integers or of open sizes, or a `present`
            without the column.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> mask = kf.layers.ModalityMask(index=1, dtype="float32")
    >>> audio, present = np.array([[1.0], [np.nan]]), np.array([[1, 1], [1, 0]])
    >>> np.array(mask(audio, present)).tolist()
    [[1.0], [0.0]]

    Reference:
        Neverova et al. (2016), ModDrop, Sect. 4.2, for training with absent modalities.
    """

    def __init__(self, index, placeholder="zero", **kwargs):
        super().__init__(**kwargs)
        index = check_int("index", index, minimum=0)
        check_choice("placeholder", placeholder, PLACEHOLDERS)
        self.index = index
        self.placeholder = placeholder
        self.supports_masking = True
        self.value = None

    def build(self, inputs_shape, present_shape):
        self._check(present_shape)
        if self.placeholder not in ("mean", "learned"):
            return
        shape = tuple(inputs_shape)[1:]
        if None in shape:
            raise ValueError(
                f'placeholder: expected "zero" or "one" for inputs of open size {shape}. '
                f"Received: {self.placeholder!r}"
            )
        self.value = self.add_weight(
            shape=shape,
            initializer="zeros",
            trainable=self.placeholder == "learned",
            name=self.placeholder,
        )

    def adapt(self, inputs, present=None):
        """Sets the placeholder "mean" to the mean of the samples that have the modality.

        Args:
            inputs: Array `(samples, ...)`.
            present: Array `(samples, number of modalities)`, or None for all of them. Defaults to
                `None`.
        """
        if self.placeholder != "mean" or self.value is None:
            raise ValueError(
                'adapt: expected a layer with placeholder="mean" that is built. Received: '
                f"placeholder={self.placeholder!r}, built={self.built}"
            )
        inputs = np.asarray(inputs)
        here = np.ones(len(inputs), "bool")
        if present is not None:
            here = np.asarray(present)[:, self.index].astype("bool")
        if not here.any():
            raise ValueError("adapt: expected a sample that has the modality. Received: none")
        column = here.reshape((-1,) + (1,) * (inputs.ndim - 1))
        mean = np.mean(inputs, axis=0, dtype="float64", where=column)
        if not np.isfinite(mean).all():
            raise ValueError(
                "adapt: expected finite numbers where the modality is present. "
                "Received: NaN or infinity"
            )
        self.value.assign(mean)

    def _check(self, present_shape):
        width = present_shape[-1]
        if len(present_shape) != 2 or (width is not None and width <= self.index):
            raise ValueError(
                f"present: expected shape (batch, number of modalities > {self.index}). "
                f"Received: {tuple(present_shape)}"
            )

    def call(self, inputs, present):
        # Again, as build sees only the first call, and JAX reads the last column for a missing one.
        self._check(present.shape)
        if inputs is None:  # an optional input that is not given
            return None
        self._check_dtype(inputs)
        here = ops.cast(present[:, self.index], "bool")
        if keras.backend.standardize_dtype(inputs.dtype) == "string":
            return _text_where(here, inputs, "[UNK]" if self.placeholder == "one" else "")
        here = ops.reshape(here, (-1,) + (1,) * (len(inputs.shape) - 1))
        if self.value is not None:
            instead = ops.cast(self.value, inputs.dtype)
        elif self.placeholder == "one":
            instead = ops.ones_like(inputs)
        else:
            instead = ops.zeros_like(inputs)
        return ops.where(here, inputs, instead)

    def compute_output_shape(self, inputs_shape, present_shape):
        return tuple(inputs_shape)

    def compute_output_spec(self, inputs, present):
        self._check_dtype(inputs)
        # Keras would say the compute dtype; integers stay integers.
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)

    def _check_dtype(self, inputs):
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if self.placeholder in ("mean", "learned") and not keras.backend.is_float_dtype(dtype):
            raise ValueError(
                f'placeholder: expected "zero" or "one" for inputs of {dtype}. '
                f"Received: {self.placeholder!r}"
            )

    def get_config(self):
        return {**super().get_config(), "index": self.index, "placeholder": self.placeholder}


def _text_where(here, texts, word):
    """`where` for strings, which that of Keras does not take: a row is taken by its number."""
    row = ops.broadcast_to(ops.convert_to_tensor(word, "string"), (1, *ops.shape(texts)[1:]))
    count = ops.shape(texts)[0]
    rows = ops.where(here, ops.arange(count), count)
    return ops.take(ops.concatenate([texts, row], axis=0), rows, axis=0)

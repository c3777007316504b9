"""What stands in the place of an absent modality inside its own backbone."""

import keras
import numpy as np
from keras import layers

from keras_fusion._keras import flat_layers
from keras_fusion.layers import ModalityMask
from keras_fusion.models.fusion_model import check_inputs

PLACEHOLDERS = ("zero", "mean", "learned")


def placeholders_for(backbones, missing_modalities):
    """`{modality: placeholder}`, or None for a model without missing modalities.

    Args:
        backbones: Dict `{modality: keras.Model}`.
        missing_modalities: The builders' argument: `False`, `True` (`"zero"`), `"zero"`, `"mean"`,
            `"learned"`, or a dict `{modality: one of these}`; those it leaves out have `"zero"`.
    """
    if missing_modalities is False:
        return None
    given = missing_modalities
    if not isinstance(given, dict):
        given = {name: given for name in backbones}
    unknown = [name for name in given if name not in backbones]
    if unknown:
        raise ValueError(
            f"missing_modalities: expected the modalities {sorted(backbones)}. "
            f"Received: {missing_modalities!r}"
        )
    for choice in given.values():
        if choice is not True and choice not in PLACEHOLDERS:
            raise ValueError(
                f"missing_modalities: expected False, True, one of {PLACEHOLDERS} or a dict "
                f"{{modality: one of these}}. Received: {missing_modalities!r}"
            )
    return {name: _zero(given.get(name, True)) for name in backbones}


def _zero(choice):
    return "zero" if choice is True else choice


def mask_input(x, present, column, model, modality, placeholder, name):
    """The input `x` of a backbone with its placeholder in the samples without the modality.

    Args:
        x: `keras.Input`, of any dtype.
        present: Input tensor `(batch, modalities)`.
        column: Integer, the modality's column there.
        model: `keras.Model`, the backbone.
        modality: String, its name, for errors.
        placeholder: String, `"zero"`, `"mean"` or `"learned"`.
        name: String, of the new layer.
    """
    padding = zeros_are_padding(model, x)
    if placeholder != "zero" and (padding or x.dtype == "string"):
        raise ValueError(
            f'missing_modalities: expected "zero" for "{modality}", whose input is '
            "strings, integers or padded with zeros that a layer masks; with a dict "
            f"{{modality: ...}} others may have another placeholder. Received: {placeholder!r}"
        )
    if padding:
        placeholder = "one"
    if x.dtype == "string":
        _check_lookups(model, modality, "[UNK]" if padding else "")
    # A layer of dtype "string" would cast the mask to strings.
    dtype = None if x.dtype == "string" else x.dtype
    try:
        return ModalityMask(column, placeholder, dtype=dtype, name=name)(x, present)
    except ValueError as error:
        raise ValueError(f'missing_modalities, modality "{modality}": {error}') from None


def zeros_are_padding(model, x):
    """Whether a sample of zeros alone may be masked as a whole, which makes means over it NaN.

    So it is with integers (token ids, padding masks) and where a layer masks zeros, which is what
    an empty text becomes.
    """
    dtype = keras.backend.standardize_dtype(x.dtype)
    if dtype != "string" and not keras.backend.is_float_dtype(dtype):
        return True
    return any(
        (isinstance(layer, layers.Embedding) and layer.mask_zero)
        or (isinstance(layer, layers.Masking) and np.all(np.asarray(layer.mask_value) == 0))
        for layer in flat_layers(model)
    )


def _check_lookups(model, modality, word):
    """An error where a layer takes no words but those it knows, and `word` is none of them."""
    for layer in flat_layers(model):
        if getattr(layer, "num_oov_indices", 1) == 0 and layer.mask_token != word:
            raise ValueError(
                f'missing_modalities: expected layers that take unknown words in "{modality}", as '
                f"{word!r} stands for an absent text. Received: {layer.name!r} with "
                "num_oov_indices=0"
            )


def adapt_missing_modalities(model, x):
    """Sets what stands in an absent modality's place to the training mean.

    Use it before `fit` with a model built with `missing_modalities="mean"`, on training data.
    Until then zeros stand there. Nothing else of the model changes.

    Args:
        model: `FusionModel`.
        x: Dict `{modality: array}`, as for `fit`. With the mask "present" the mean of a modality
            goes over the samples that have it.

    Raises:
        ValueError: a model without such a placeholder, anything but a dict of all modalities, a
            modality that no sample has, or NaN where one is present.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> nets = {"image": kf.backbones.mlp(2), "sound": kf.backbones.mlp(3)}
    >>> model = kf.build_gmu(nets, missing_modalities={"image": "mean"})
    >>> x = {"image": np.array([[1.0, 2.0], [3.0, 6.0]]), "sound": np.zeros((2, 3))}
    >>> kf.models.adapt_missing_modalities(model, x)
    >>> np.array(model.get_layer("image_mask").value).tolist()
    [2.0, 4.0]
    """
    masks = [
        layer
        for layer in model.layers
        if isinstance(layer, ModalityMask) and layer.placeholder == "mean"
    ]
    if not masks:
        raise ValueError(
            'model: expected one built with missing_modalities="mean". Received: '
            f'"{model.name}", which has no such placeholder'
        )
    x = check_inputs(x, model.input)
    present = x.get("present")
    for mask in masks:
        masked = mask.input[0]
        name, data = _given(masked, model.input, x)
        try:
            mask.adapt(data, present)
        except ValueError as error:
            raise ValueError(f'x["{name}"]: {error}') from None


def _given(tensor, inputs, x):
    """The modality that an input belongs to, and what `x` has for it."""
    for name, own in inputs.items():
        parts = own if isinstance(own, dict) else {None: own}
        for key, part in parts.items():
            if part is tensor:
                return name, x[name] if key is None else x[name][key]
    raise AssertionError(f"{tensor} is no input")  # masks are at the inputs only

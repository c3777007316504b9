"""The backbones up to their features as one model, for training without labels."""

import keras

from keras_fusion.models.assembly._features import last_tensors
from keras_fusion.models.assembly._naming import named_backbones
from keras_fusion.models.assembly._streams import make_streams, pooled
from keras_fusion.models.assembly.placeholders import placeholders_for


def features_model(backbones, ends_in, missing_modalities, top):
    """A model from the modalities to what `top` makes of their features; nothing is predicted.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models; their own layers are used.
        ends_in: See `build_centralnet`.
        missing_modalities: See `build_centralnet`.
        top: Function of a modality's name and features, as `FusionBuilder.features` has them.

    Returns:
        `keras.Model` from a dict of inputs, "present" too with `missing_modalities`, to
        `{modality: tensor}`.
    """
    backbones = named_backbones(backbones)
    placeholders = placeholders_for(backbones, missing_modalities)
    present = keras.Input((len(backbones),), name="present") if placeholders else None
    streams, _ = make_streams(
        backbones, ends_in=ends_in, present=present, placeholders=placeholders, with_heads=False
    )
    inputs = {stream.name: stream.inputs for stream in streams}
    if present is not None:
        inputs["present"] = present
    tensors = last_tensors(streams, keep_heads=False)
    outputs = {
        stream.name: top(stream.name, pooled(x, f"{stream.name}_average_level_0"))
        for stream, x in zip(streams, tensors, strict=True)
    }
    return keras.Model(inputs, outputs, name="aligned")

"""XFlow over time: networks of one frame on sequences of frames, read by an LSTM."""

from collections import namedtuple

import keras
from keras import layers, ops

from keras_fusion._checks import check_recurrent
from keras_fusion.graph import shape_name
from keras_fusion.layers import ModalityMask, SplitSteps
from keras_fusion.models.assembly import zeros_are_padding

# `counts`: bool (batch, frames); `present`: (batch * frames, modalities) or None.
Frames = namedtuple("Frames", "counts present")


def over_steps(parts, missing_modalities):
    """Gives every stream an input with time, which then goes into the batch.

    TimeDistributed would unroll a loop over the frames, or have no masks.
    """
    check_recurrent(keras.config.dtype_policy())
    if parts.keep_heads:
        raise ValueError(
            "unimodal_loss_weights: expected None together with lstm_units, whose prediction is "
            "one for all frames. Received: unimodal heads"
        )
    if missing_modalities not in (False, True, "zero"):
        raise ValueError(
            'missing_modalities: expected False, True or "zero" together with lstm_units. '
            f"Received: {missing_modalities!r}"
        )
    counts = []
    for i, stream in enumerate(parts.streams):
        frame = stream.inputs
        shape = tuple(frame.shape[1:])
        if None in shape:
            raise ValueError(
                f'backbone "{stream.name}": expected frames of fixed size together with '
                f"lstm_units. Received: {shape_name(shape)}"
            )
        stream.inputs = x = keras.Input((None, *shape), dtype=frame.dtype, name=stream.name)
        if parts.present is not None:
            placeholder = "one" if zeros_are_padding(stream.model, frame) else "zero"
            mask = ModalityMask(i, placeholder, dtype=frame.dtype, name=f"{stream.name}_mask")
            x = mask(x, parts.present)
        counted = ops.any(ops.not_equal(x, 0), axis=tuple(range(2, len(x.shape))))
        if parts.present is not None:  # what is absent has no say
            absent = ops.logical_not(ops.cast(parts.present[:, i : i + 1], "bool"))
            counted = ops.logical_or(counted, absent)
        counts.append(counted)
        stream.masked_inputs = ops.reshape(x, (-1, *shape))
    all_count = counts[0]
    for counted in counts[1:]:
        all_count = ops.logical_and(all_count, counted)
    if parts.present is None:
        return Frames(all_count, None)
    ones = ops.cast(ops.ones_like(all_count), "float32")
    present = ops.cast(parts.present, "float32")[:, None, :] * ones[:, :, None]
    return Frames(all_count, ops.reshape(present, (-1, len(parts.streams))))


def read_by_lstm(frames, x, units, batch_norm, dropout):
    """What an LSTM makes of the joint features of all frames, `(batch * frames, features)`."""
    x = SplitSteps(name="central_steps")([x, frames.counts])
    # The mask is given by hand, so that it travels no further.
    if batch_norm:
        x = layers.BatchNormalization(momentum=0.9, name="central_bn")(x, mask=frames.counts)
    if dropout:
        x = layers.Dropout(dropout, name="central_dropout")(x)
    # cuDNN takes no frame that does not count before one that does, nor a sample without any.
    lstm = layers.LSTM(units, use_cudnn=False, name="central_lstm")
    return lstm(x, mask=frames.counts)

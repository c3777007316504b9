"""Raw inputs: the bytes of an image or a sound file, decoded inside the TensorFlow graph."""

import io
import wave

import keras
import numpy as np

from keras_fusion._checks import check_choice, is_number
from keras_fusion.exporting._signatures import Endpoint, all_inputs_to_all_heads, predictions

KINDS = ("jpeg", "png", "wav")
_RATE = 16000  # of the sounds that the check makes; nothing depends on it


def raw_endpoint(model, raw):
    """The signature that takes bytes for the modalities in `raw`, and the rest as it is.

    Args:
        model: `FusionModel`.
        raw: Dict `{modality: kind}` or `{modality: (kind, scale)}`, see `export`.
    """
    all_heads = all_inputs_to_all_heads(model)
    specs = {name: spec for name, spec in all_heads.specs.items() if name != "present"}
    decoders = {}
    for modality, kind, scale in check_raw(model, raw):
        decoders[modality] = _decoder(kind, scale, specs[modality])
        specs[modality] = keras.InputSpec(shape=(None,), dtype="string", name=modality)

    def function(inputs):
        decoded = {name: decode(inputs[name]) for name, decode in decoders.items()}
        return all_heads.function({**inputs, **decoded})

    return Endpoint(function, specs, lambda x: predictions(model, x))


def raw_samples(model, raw, x):
    """Files for a check: `({input: array or bytes}, {input: array})`, and what is in them."""
    files, contents = dict(x), dict(x)
    rng = np.random.default_rng(0)
    for modality, kind, scale in check_raw(model, raw):
        shape = x[modality].shape
        make = _sound if kind == "wav" else _image
        made = [make(rng, shape[1:]) for _ in range(shape[0])]
        files[modality] = np.array([data for data, _ in made], dtype=object)
        contents[modality] = scale * np.stack([values for _, values in made])
    return files, contents


def check_raw(model, raw):
    """`[(modality, kind, scale)]`, or an error."""
    if not isinstance(raw, dict):
        raise TypeError(f"raw: expected a dict {{modality: kind}}. Received: {raw!r}")
    found = []
    for modality, given in raw.items():
        if modality not in model.modalities:
            raise ValueError(f"raw: expected the modalities {model.modalities}. Received: {raw!r}")
        kind, scale = given if isinstance(given, (tuple, list)) and len(given) == 2 else (given, 1)
        check_choice(f'raw["{modality}"]', kind, KINDS)
        if not is_number(scale):
            raise ValueError(f'raw["{modality}"]: expected a number as scale. Received: {scale!r}')
        shape = getattr(model.input[modality], "shape", None)
        sound = kind == "wav"
        fits = shape is not None and (
            len(shape) in (2, 3)
            if sound
            else len(shape) == 4 and None not in shape[1:] and shape[-1] in (1, 3, 4)
        )
        if not fits:
            wanted = (
                "(samples,) or (samples, channels)"
                if sound
                else "(height, width, channels) with 1, 3 or 4 channels"
            )
            raise ValueError(
                f'raw["{modality}"]: expected an input of shape {wanted} for {kind}. '
                f"Received: {None if shape is None else tuple(shape[1:])}"
            )
        found.append((modality, kind, float(scale)))
    return found


def _decoder(kind, scale, spec):
    """Function from a batch of bytes to what the model takes."""
    import tensorflow as tf

    shape = spec.shape[1:]

    def image(data):
        pixels = tf.io.decode_image(data, channels=shape[-1], expand_animations=False)
        # Without antialiasing a large photo made small is mostly noise.
        return tf.image.resize(tf.cast(pixels, tf.float32), shape[:2], antialias=True)

    def sound(data):
        # -1: as long as the file is.
        length = -1 if shape[0] is None else shape[0]
        channels = shape[1] if len(shape) == 2 and shape[1] else 1
        samples, _ = tf.audio.decode_wav(data, channels, length)
        return samples if len(shape) == 2 else samples[:, 0]

    def decode(batch):
        decoded = tf.map_fn(
            sound if kind == "wav" else image,
            batch,
            fn_output_signature=tf.TensorSpec(shape, tf.float32),
        )
        return tf.cast(decoded * scale, spec.dtype)

    return decode


def _image(rng, shape):
    import tensorflow as tf

    pixels = rng.integers(0, 256, shape, dtype="uint8")
    return tf.io.encode_png(pixels).numpy(), pixels.astype("float32")


def _sound(rng, shape):
    samples = rng.integers(-(2**15), 2**15, shape).astype("<i2")
    with io.BytesIO() as file:
        with wave.open(file, "wb") as sound:
            channels = shape[1] if len(shape) == 2 else 1
            sound.setparams((channels, 2, _RATE, len(samples), "NONE", "not compressed"))
            sound.writeframes(samples.tobytes())
        return file.getvalue(), samples.astype("float32") / 2**15

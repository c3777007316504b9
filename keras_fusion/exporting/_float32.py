"""A model that computes in 16 bits, made anew in float32 for formats that cannot say it."""

from keras_fusion._keras import flat_layers

# What the formats' operations do not take: LiteRT has none of 16 bits, ONNX's run-time no bfloat16.
_NOT_IN = {"saved_model": (), "onnx": ("bfloat16",), "litert": ("bfloat16", "float16")}


def computes_in(model):
    """The dtypes in which the layers of a model compute, a set."""
    return {layer.compute_dtype for layer in flat_layers(model)}


def expressible(model, format):
    """The model itself, or the same with all layers in float32 if the format needs that."""
    if not computes_in(model).intersection(_NOT_IN[format]):
        return model
    try:
        copy = type(model).from_config(_in_float32(model.get_config()))
        copy.set_weights(model.get_weights())
    except Exception as error:  # whatever a layer's config may raise
        raise RuntimeError(
            f"export: expected layers that can be made anew in float32 from their config, as "
            f"{format} has no operations in 16 bits. Received: {str(error)[:300]}"
        ) from error
    return copy


def check_not_quantized(model, format):
    """An error for a model on which `quantize` was called and that the format cannot express."""
    modes = {layer.dtype_policy.quantization_mode for layer in flat_layers(model)} - {None}
    if format == "litert" and modes:
        raise ValueError(
            "model: expected one without quantized layers, as litert has no such operations. "
            f"Received: model.quantize({', '.join(map(repr, sorted(modes)))}). Export the model "
            'from before it with quantize="dynamic", which stores weights in 8 bits'
        )


def _in_float32(config):
    """A config with every dtype policy replaced."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {"name": "float32"}}
        return {name: _in_float32(value) for name, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_in_float32(value) for value in config)
    return "float32" if isinstance(config, str) and config.startswith("mixed_") else config

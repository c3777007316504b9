"""The three formats, written by TensorFlow: `WRITERS[format](model, endpoints, path, quantize)`."""

import functools
import tempfile
import warnings

import keras
import numpy as np
from keras import ops

from keras_fusion.exporting._signatures import flat_inputs


def _saved_model(model, endpoints, path, quantize):
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, endpoint in endpoints.items():
        archive.add_endpoint(name, endpoint.function, [endpoint.specs])
    archive.write_out(path, verbose=False)


def _onnx(model, endpoints, path, quantize):
    endpoint = endpoints["serving_default"]
    _teach_tf2onnx()
    # Keras names what it exports after the keys of the dicts, and takes only models.
    plain = keras.Model(flat_inputs(model), endpoint.function(flat_inputs(model)))
    # Keras exports what was called once.
    plain({name: _zeros(spec) for name, spec in endpoint.specs.items()}, training=False)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
            plain.export(path, format="onnx", verbose=False, input_signature=[endpoint.specs])
    except Exception as error:  # tf2onnx raises all kinds
        raise _inexpressible("onnx", error) from error


@functools.cache
def _teach_tf2onnx():
    """Makes tf2onnx write `where` as Where, and log1p, which it does not know, as a logarithm.

    Its own, condition * x + (1 - condition) * y, lets the NaN of an absent modality through.
    """
    from tf2onnx import utils
    from tf2onnx.handler import tf_op

    @tf_op("SelectV2")
    class SelectV2:
        """A choice between two tensors, which ONNX has as Where."""

        @classmethod
        def version_10(cls, ctx, node, **kwargs):
            node.type = "Where"

    @tf_op("Log1p")
    class Log1p:
        """log(1 + x), as an addition and a logarithm."""

        @classmethod
        def version_7(cls, ctx, node, **kwargs):
            one = np.array(1, utils.map_onnx_to_numpy_type(ctx.get_dtype(node.input[0])))
            one = ctx.make_const(utils.make_name("one"), one).output[0]
            ctx.insert_new_node_on_input(node, "Add", [node.input[0], one])
            node.type = "Log"


def _zeros(spec):
    return ops.zeros((1, *(16 if size is None else size for size in spec.shape[1:])), spec.dtype)


def _litert(model, endpoints, path, quantize):
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        _saved_model(model, endpoints, folder, quantize)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=["serving_default"]
        )
        if quantize is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantize == "float16":
            converter.target_spec.supported_types = [tf.float16]
        try:
            content = converter.convert()
        except Exception as error:  # the converter raises all kinds
            raise _inexpressible("litert", error) from error
    with open(path, "wb") as file:
        file.write(content)


def _inexpressible(format, error):
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return RuntimeError(
        f"export: expected a model that {format} can express. Received: one for which the "
        f"converter says: {lines[0][:300]}"
    )


WRITERS = {"saved_model": _saved_model, "onnx": _onnx, "litert": _litert}

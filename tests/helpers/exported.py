"""What the tests of exports ask of exported files."""

import functools

import keras
import pytest
from helpers.tiny import map_net, norm_net, sequence_net, vector_net

import keras_fusion as kf
from keras_fusion.exporting import formats

BACKEND = keras.backend.backend()
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow writes the formats")
NETS = {"sound": sequence_net, "image": map_net}


def gated(**arguments):
    """With everything that can be exported: heads, gates, and the mask."""
    arguments = {"unimodal_loss_weights": 0.5, "fusion_units": 3, **arguments}
    return kf.build_gmu({name: net() for name, net in NETS.items()}, **arguments)


def signatures(path):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))

    def call(name, **x):
        return {k: v.numpy() for k, v in loaded.signatures[name](**tensors(x)).items()}

    def tensors(x):
        return {key: tf.constant(value) for key, value in x.items()}

    return loaded.signatures, call


def run_onnx(path, x):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(path))
    names = [output.name for output in session.get_outputs()]
    return {i.name for i in session.get_inputs()}, dict(
        zip(names, session.run(None, x), strict=True)
    )


def run_litert(path, x):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    runner = interpreter.Interpreter(str(path)).get_signature_runner("serving_default")
    return set(runner.get_input_details()), {k: v.copy() for k, v in runner(**x).items()}


RUN = {"onnx": (run_onnx, "_head", ".onnx"), "litert": (run_litert, "", ".tflite")}


def needs(format):
    """Skips where the format's extra is not installed."""
    for name in formats._NEEDS[format]:
        pytest.importorskip(name)


@functools.cache
def small(**arguments):
    nets = {"b": vector_net("one"), "a": norm_net("two")}
    return kf.build_centralnet(nets, **arguments)

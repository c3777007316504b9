"""Exported models, run without Keras: `RUNNERS[format](path)(signature, {input: array})`."""

import numpy as np


def _saved_model(path):
    import tensorflow as tf

    loaded = tf.saved_model.load(path)

    def run(name, x):
        found = loaded.signatures[name](**{key: tf.constant(array) for key, array in x.items()})
        return {output: value.numpy() for output, value in found.items()}

    return run


def _onnx(path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; it warns of every folded constant
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no public base class
        raise RuntimeError(
            f"export: expected a model that onnx can express. Received: {str(error)[:300]}"
        ) from error
    names = [output.name for output in session.get_outputs()]

    def run(name, x):
        try:
            return dict(zip(names, session.run(names, x), strict=True))
        except Exception as error:
            raise RuntimeError(
                "export: expected onnx to take the inputs "
                f"{ {key: array.shape for key, array in x.items()} }. Received: {str(error)[:300]}"
            ) from error

    return run


def _litert(path):
    from ai_edge_litert.interpreter import Interpreter

    try:
        run_it = Interpreter(model_path=path).get_signature_runner("serving_default")
    except (RuntimeError, ValueError) as error:
        raise RuntimeError(
            f"export: expected a model that litert can express. Received: {str(error)[:300]}"
        ) from error

    def run(name, x):
        try:
            found = run_it(**x)
        except (RuntimeError, ValueError) as error:
            raise RuntimeError(
                "export: expected litert to take the inputs "
                f"{ {key: array.shape for key, array in x.items()} }. Received: {str(error)[:300]}"
            ) from error
        return {output: np.array(value) for output, value in found.items()}

    return run


RUNNERS = {"saved_model": _saved_model, "onnx": _onnx, "litert": _litert}

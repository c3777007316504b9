"""Exports a .keras file: python -m keras_fusion.exporting model.keras out/ --format onnx"""

import argparse
import importlib
import sys

import keras

from keras_fusion.exporting.formats import FORMATS, QUANTIZE, export


def main(arguments=None):
    """Runs the command; an error is a line on stderr and exit status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_fusion.exporting",
        description="Writes a fusion model from a .keras file as a SavedModel, ONNX or LiteRT, "
        "after comparing what was written with Keras.",
    )
    parser.add_argument("model", help=".keras file of a FusionModel")
    parser.add_argument("path", help="folder, or file that ends in .onnx or .tflite; new")
    parser.add_argument("--format", choices=FORMATS, default="saved_model")
    parser.add_argument(
        "--raw",
        nargs="+",
        default=[],
        metavar="MODALITY=KIND[*SCALE]",
        help="signature for bytes: image=jpeg, image=png, sound=wav, image=jpeg*0.00392",
    )
    parser.add_argument("--quantize", choices=[q for q in QUANTIZE if q], help="litert only")
    parser.add_argument("--tolerance", type=float, help="largest difference that passes")
    parser.add_argument(
        "--import",
        nargs="+",
        default=[],
        dest="modules",
        metavar="MODULE",
        help="modules with layers of your own, which run: import only what you trust",
    )
    args = parser.parse_args(arguments)
    try:
        for module in args.modules:
            importlib.import_module(module)
        export(
            keras.models.load_model(args.model),
            args.path,
            args.format,
            raw=_raw(args.raw),
            quantize=args.quantize,
            tolerance=args.tolerance,
        )
    except (ImportError, OSError, RuntimeError, TypeError, ValueError) as error:
        parser.exit(2, f"{parser.prog}: {type(error).__name__}: {error}\n")


def _raw(items):
    raw = {}
    for item in items:
        modality, _, kind = item.partition("=")
        kind, _, scale = kind.partition("*")
        raw[modality] = (kind, float(scale)) if scale else kind
    return raw or None


if __name__ == "__main__":
    sys.exit(main())

"""The command that exports a .keras file: python -m keras_fusion export model.keras out/"""

import importlib

import keras

from keras_fusion.exporting.formats import FORMATS, QUANTIZE, export


def add_command(commands):
    """Adds the parser of `export` to the subparsers of `python -m keras_fusion`."""
    parser = commands.add_parser(
        "export",
        help="write a .keras file as a SavedModel, ONNX or LiteRT",
        description="Writes a fusion model from a .keras file as a SavedModel, ONNX or LiteRT, "
        "after comparing what was written with Keras.",
    )
    parser.set_defaults(run=_run)
    parser.add_argument("model", help=".keras file of a FusionModel")
    parser.add_argument("path", help="folder, or file that ends in .onnx or .tflite; new")
    parser.add_argument("--format", choices=FORMATS, help="without it the suffix of path decides")
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


def _run(args):
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


def _raw(items):
    raw = {}
    for item in items:
        modality, _, kind = item.partition("=")
        kind, _, scale = kind.partition("*")
        raw[modality] = (kind, float(scale)) if scale else kind
    return raw or None

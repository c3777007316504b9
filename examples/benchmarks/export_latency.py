"""How large and how fast is an exported model, in which format, beside Keras itself?

    python examples/benchmarks/export_latency.py

Part 1, the README's export table: every method on two small networks (`--presets`: the papers'
networks too) in every format: the largest difference from Keras, size, latency of one sample.
Part 2: the CentralNet of MM-MNIST in every format, beside `model.predict` and the same network by
hand in plain Keras, exported by Keras and TensorFlow alone: latency at batches of 1 and 32,
measured by turns, medians of the rounds with 95 % intervals.

TensorFlow only. Needs the extras onnx and litert.

Time:     about 8 min on two CPU cores (--quick: 1 min, figures without meaning)
Expected: each format / the same format of the plain model <= 1.05
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"

import _plain_keras
import _report
import keras
import numpy as np
import tensorflow as tf
from rich.console import Console

import keras_fusion as kf

FORMATS = (
    ("saved_model", None),
    ("onnx", None),
    ("litert", None),
    ("litert", "dynamic"),
)
TARGET = 1.05


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--calls", type=int, default=20, help="calls in a visit")
    parser.add_argument("--methods", nargs="*", help="of part 1; by default all")
    parser.add_argument(
        "--presets", nargs="*", help="the papers' networks too, all or those of these names"
    )
    parser.add_argument(
        "--formats", nargs="+", choices=[title(*kind) for kind in FORMATS], help="of part 1"
    )
    parser.add_argument("--parts", nargs="+", type=int, choices=(1, 2), default=(1, 2))
    parser.add_argument("--output", type=Path, help="file for the tables, as Markdown")
    parser.add_argument("--quick", action="store_true", help="tiny, only to see that it works")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.calls = 2, 2
        args.methods = args.methods or ["gmu"]
    console = Console()
    tables = {1: part_1, 2: part_2}
    text = "\n\n".join("\n".join(tables[part](args, console)) for part in args.parts).splitlines()
    print("\n".join(text))
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text("\n".join(text) + "\n", encoding="utf-8")


# ---- part 1


def part_1(args, console):
    """The lines of the export table."""
    names = [method.name for method in kf.methods()]
    names = names if args.methods is None else args.methods
    models = {f"`{name}`": lambda name=name: kf.build(name, backbones()) for name in names}
    if args.presets is not None:
        chosen = args.presets or PRESETS
        models.update({f"`{name}`": PRESETS[name] for name in chosen})
    kinds = [kind for kind in FORMATS if title(*kind) in (args.formats or [title(*kind)])]
    lines = [
        "| | " + " | ".join(title(*kind) for kind in kinds) + " |",
        "|---|" + "---|" * len(kinds),
    ]
    for name, build in models.items():
        keras.utils.clear_session()
        keras.utils.set_random_seed(0)
        model = build()
        cells = []
        for kind in kinds:
            with console.status(f"{name} as {title(*kind)}"):
                cells.append(cell(model, *kind, args))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        console.print(lines[-1], markup=False)
    return lines


def backbones():
    """A small image network and a perceptron, good for every method."""
    return {
        "image": kf.backbones.lenet5((28, 28, 1)),
        "sound": kf.backbones.mlp(64, (128, 64)),
    }


PRESETS = {
    "centralnet_mm_mnist": kf.presets.centralnet_mm_mnist,
    "centralnet_av_mnist": kf.presets.centralnet_av_mnist,
    "centralnet_montalbano": kf.presets.centralnet_montalbano,
    "centralnet_mm_imdb": kf.presets.centralnet_mm_imdb,
    "centralnet_afew": kf.presets.centralnet_afew,
    "xflow_cnn_mlp": lambda: kf.presets.xflow_cnn_mlp("avletters"),
    "xflow_cnn_mlp_lstm": lambda: kf.presets.xflow_cnn_mlp_lstm("avletters"),
    "xflow_dtn": lambda: kf.presets.xflow_dtn("avletters"),
    "modality_gate_rgbd, vgg19": kf.presets.modality_gate_rgbd,
    "modality_gate_rgbd, resnet50": lambda: kf.presets.modality_gate_rgbd("resnet50"),
    "centralnet_audioset": kf.presets.centralnet_audioset,
}


def title(format, quantize):
    return format if quantize is None else f"{format}, {quantize}"


def cell(model, format, quantize, args):
    """Difference, size and latency, or why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = Path(folder) / "model"
            report = kf.export(model, path, format, quantize=quantize, verbose=False)
        except RuntimeError as error:
            return str(error).partition("Received: ")[2].splitlines()[0][:60]
        run = loaded(report.path, format)
        x = inputs(model, 1)
        seconds = [visit(run, x, args.calls) for _ in range(max(args.rounds // 6, 2))]
    size = report.size / 1024
    size = f"{size:,.0f} kB" if size < 10240 else f"{size / 1024:,.0f} MB"
    return f"{report.max_difference:.0e}, {size}, {1000 * statistics.median(seconds):.2f} ms"


def inputs(model, count):
    """Random inputs by name, float32."""
    rng = np.random.default_rng(0)
    return {
        tensor.name: rng.normal(size=(count, *tensor.shape[1:])).astype(tensor.dtype)
        for tensor in model.inputs
    }


def loaded(path, format):
    """A function of a dict of arrays."""
    if format == "saved_model":
        saved = tf.saved_model.load(path)
        signature = saved.signatures["serving_default"]

        def run(x):
            found = signature(**{name: tf.constant(array) for name, array in x.items()})
            return found["central"].numpy()

        run.keeps = saved  # its variables live as long as it does
    elif format == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path)

        def run(x):
            return session.run(["central"], x)[0]
    else:
        from ai_edge_litert.interpreter import Interpreter

        runner = Interpreter(path, num_threads=os.cpu_count()).get_signature_runner()

        def run(x):
            return runner(**x)["central"]

    return run


def visit(run, x, calls):
    """Seconds of a call; the first is not timed."""
    run(x)
    start = time.perf_counter()
    for _ in range(calls):
        run(x)
    return (time.perf_counter() - start) / calls


# ---- part 2


def part_2(args, console):
    """The lines of the latency table."""
    with tempfile.TemporaryDirectory() as folder, console.status("exporting and warming up"):
        keras.utils.clear_session()
        keras.utils.set_random_seed(0)
        ours, plain = kf.presets.centralnet_mm_mnist(), _plain_keras.centralnet()
        x = {count: inputs(ours, count) for count in (1, 32)}
        runs = {("predict", "ours"): lambda x: ours.predict(x, verbose=0),
                ("predict", "plain"): lambda x: plain.predict(x, verbose=0)}  # fmt: skip
        for kind in FORMATS:
            path = Path(folder) / "-".join(filter(None, kind))
            report = kf.export(ours, path / "ours", kind[0], quantize=kind[1], verbose=False)
            runs[kind, "ours"] = loaded(report.path, kind[0])
            runs[kind, "plain"] = loaded(export_plain(plain, path / "plain", *kind), kind[0])
        seconds = {}
        order = [(key, count) for key in runs for count in x]
        for _ in range(args.rounds):
            random.shuffle(order)
            for key, count in order:
                calls = max(args.calls // 10, 1) if key[0] == "predict" else args.calls
                seconds.setdefault((key, count), []).append(visit(runs[key], x[count], calls))
    lines = [
        f"CentralNet of MM-MNIST, {ours.count_params():,} parameters, {args.rounds} rounds of "
        f"{args.calls} calls; load {_report.load()}",
        "",
        "| | batch | ms | / `model.predict` | / the plain model in this format | to reach |",
        "|---|---|---|---|---|---|",
    ]
    for count in x:
        for kind in ("predict", *FORMATS):
            own, other = seconds[(kind, "ours"), count], seconds[(kind, "plain"), count]
            predict = seconds[("predict", "ours"), count]
            name = "`model.predict`" if kind == "predict" else title(*kind)
            goal = f"≤ {TARGET}" if kind != "predict" else ""
            lines.append(
                f"| {name} | {count} | {1000 * statistics.median(own):.2f} | "
                f"{ratio(own, predict)} | {ratio(own, other)} | {goal} |"
            )
    return lines


def ratio(above, below):
    """Median and interval of the ratios within the rounds."""
    values = [a / b for a, b in zip(above, below, strict=True)]
    low, high = _report.interval(values)
    return f"{statistics.median(values):.3f} ({low:.3f} to {high:.3f})"


def export_plain(model, path, format, quantize):
    """A plain Keras model, exported by Keras and TensorFlow alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path = f"{path}.onnx" if format == "onnx" else str(path)
    if format == "onnx":
        # In ONNX no output may be called as an input is.
        heads = {k if k == "central" else f"{k}_head": v for k, v in model.output.items()}
        named = keras.Model(model.input, heads)
        named(inputs(model, 1))
        named.export(path, format="onnx", verbose=False)
        return path
    # Our `serving_default` is the central prediction alone, our LiteRT file has all heads.
    heads = {"central": model.output["central"]} if format == "saved_model" else model.output
    keras.Model(model.input, heads).export(path, verbose=False)
    if format == "saved_model":
        return path
    converter = tf.lite.TFLiteConverter.from_saved_model(path, signature_keys=["serving_default"])
    if quantize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    Path(f"{path}.tflite").write_bytes(converter.convert())
    return f"{path}.tflite"


if __name__ == "__main__":
    main()

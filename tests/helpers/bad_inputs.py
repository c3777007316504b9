"""The table of what users get wrong: one row for one mistake.

The public name, all arguments but one as they should be, and the wrong one.
"""

import functools
import inspect
from typing import NamedTuple

import keras
import numpy as np
import pytest
from conformance import all_cases
from helpers.tiny import batch, compiled, labels, map_net, text_net, vector_net

import keras_fusion as kf


class Shown(NamedTuple):
    """A wrong value that the message cannot quote: what it says instead, and of what."""

    value: object
    received: str
    name: str = ""


class Case(NamedTuple):
    """A call with one wrong argument."""

    of: str
    good: object
    argument: str
    wrong: object

    def run(self):
        good = self.good() if callable(self.good) else self.good
        value = self.wrong.value if isinstance(self.wrong, Shown) else self.wrong
        value = value() if isinstance(self.wrong, Shown) and callable(value) else value
        function = functools.reduce(getattr, self.of.split("."), kf)
        return function(**{**good, self.argument: value})

    def __str__(self):
        return f"{self.of}, {self.argument}={str(self.wrong)[:30]}"


def wrong(of, good=None, **values):
    """One case for every value; a list in a tuple of one is a value, a bare list several."""
    return [
        Case(of, good or {}, argument, value)
        for argument, given in values.items()
        for value in (given if isinstance(given, list) else [given])
    ]


def called(of, arguments=None, good=None, **values):
    """The same for a call of a new layer."""
    layer = functools.reduce(getattr, of.split("."), kf)

    def given():
        return {"self": layer(**(arguments or {})), **(good() if good else {})}

    return wrong(f"{of}.__call__", given, **values)


def updated(of, good=None, **values):
    """The same for a metric that gets a batch."""
    prediction = {"y_pred": np.ones((2, 3), "float32")}

    def given():
        return {"self": getattr(kf.metrics, of)(), **prediction, **(good or {})}

    return wrong(f"metrics.{of}.update_state", given, **values)


# ---- what the calls need that is right


def new_nets():
    return {"image": map_net("one"), "sound": vector_net("two")}


nets = functools.cache(new_nets)


@functools.cache
def model(method="gmu", **arguments):
    """Compiled; "image" is 8x8x1, "sound" has 5 features, of 3 classes."""
    return compiled(kf.build(method, nets(), **arguments), metrics=["accuracy"])


@functools.cache
def reading():
    return compiled(kf.build("late_mean", {"text": text_net(), "sound": vector_net("two")}))


def words(**instead):
    ids = np.ones((4, 6), "int32")
    return {"text": {"words": ids, "padding": ids, **instead}, "sound": floats(4, 5)}


def table():
    return pytest.importorskip("pandas").DataFrame({"a": [1, 2, 3, 4], "b": [0, 1, 0, 1]})


@functools.cache
def uncompiled():
    return kf.build("late_mean", nets())


@functools.cache
def maskable():
    return model("late_mean", missing_modalities=True)


@functools.cache
def one_hot():
    return compiled(kf.build("late_mean", nets()), loss="categorical_crossentropy")


def x(**instead):
    return {**batch(model()), **instead}


def without(name):
    return {key: value for key, value in x().items() if key != name}


def data(**instead):
    return {"x": x(), "y": labels(), **instead}


def floats(*shape):
    return np.random.default_rng(0).normal(size=shape)


def zeros(shape):
    return keras.ops.zeros(shape)


PAIR = lambda: {"backbones": nets()}  # noqa: E731
OF_A_LAYER = lambda: {**PAIR(), "layer": keras.layers.Concatenate()}  # noqa: E731

# A word is no width, rate, choice, switch, list of layers or dict of modalities: of every argument
# of every builder.
WORDS = [
    case
    for name in kf.__all__
    if name.startswith("build_")
    for argument in list(inspect.signature(getattr(kf, name)).parameters)[1:]
    if argument != "name" and (name, argument) != ("build_ensemble", "inputs")
    for case in wrong(
        name, OF_A_LAYER if name == "build_fusion" else PAIR, **{argument: "wrong word"}
    )
]

# The same of every argument of every layer, whose other arguments are those of its first row.
_ROWS = {case.layer.__name__: case.init for case in reversed(all_cases())}
WORDS += [
    case
    for name, init in sorted(_ROWS.items())
    for argument in inspect.signature(getattr(kf.layers, name)).parameters
    if argument not in ("name", "kwargs")
    for case in wrong(f"layers.{name}", init, **{argument: "wrong word"})
]

BUILDERS = [
    *WORDS,
    *wrong("build", PAIR, method=["gmuu", "", 3, ("gmu",)]),
    *wrong("build", lambda: {"backbones": nets(), "method": "gmu"},
           fusion_unit=Shown(3, "['fusion_unit']"), rule=Shown("max", "['rule']")),
    *wrong("fusion_method", {"line": "a line"}, name=["", 3]),
    *wrong("fusion_method", {"name": "mine"}, line=["", 3]),
    *wrong("fusion_method", {"name": "mine", "line": "a line"}, source=3),
    *wrong(
        "build_centralnet",
        PAIR,
        num_classes=[0, -1, 2.5],
        units=0,
        taps=Shown({"image": ["pool1"]}, "['image']"),
        max_width=0,
        dropout=[-0.5, 1.0, float("nan")],
        unimodal_loss_weights=[-1.0, Shown({"imag": 1.0}, "['imag']")],
        missing_modalities=[3, Shown({"imag": "zero"}, "imag")],
        name=[3, "a/b"],
    ),
    *wrong(
        "build_centralnet",
        backbones=[
            Shown(None, "NoneType"),
            Shown("lenet5", "str"),
            Shown({}, "0"),
            Shown(lambda: {"image": nets()["image"]}, "1 (['image'])"),
            Shown(lambda: {"image": nets()["image"], "sound": "mlp"}, "str", 'backbones["sound"]'),
            Shown(lambda: {"image": nets()["image"], 3: nets()["sound"]}, "3", "modality names"),
            Shown(lambda: [nets()["image"]], "1"),
        ],
    ),
    *wrong("build_bottleneck", PAIR, fusion_layer=[-1, 2], bottlenecks=0, fusion_units=6),
    *wrong("build_concat_features", PAIR, head_units=[4, Shown((0,), "0")], dropout=1.0,
           on=Shown("levels", "on")),
    *wrong("build_cross_attention", PAIR, fusion_units=[0, 6], attention_dropout=1.5, max_tokens=0),
    *wrong("build_crf_fusion", PAIR, per=["steps", 3], states=0, dropout=1.0),
    *wrong("build_dtn", PAIR, stream_units=512, shared_units=["256"], sharing_weight=-1),
    *wrong("build_early_fusion", PAIR, dropout=-0.1, operation=Shown("sum", "operation")),
    *wrong("build_ensemble", PAIR, inputs=Shown("image", "(5,)")),
    *wrong("build_film", PAIR, levels=[0, 9]),
    *wrong("build_fusion", OF_A_LAYER, on=["scores", 3], head_units=Shown((0,), "0"), dropout=1.0),
    *wrong("build_fusion_ensemble", PAIR, level=9),
    *wrong("build_gmu", PAIR, fusion_units=0, use_bias=1, dropout=2),
    *wrong("build_hybrid_fusion", PAIR, priors=([0.5],)),
    *wrong("build_interactive_memory", PAIR, hops=0, max_tokens=-1),
    *wrong("build_intermediate_fusion", PAIR, level=[9, 1.5]),
    *wrong("build_kernel_fusion", PAIR, landmarks=0, adapt_on=3),
    *wrong("build_late_fusion", PAIR, rule=("mean",), priors=([0.5, 0.2, 0.1],)),
    *wrong("build_late_fusion", lambda: {**PAIR(), "rule": "product"}, priors="wrong word"),
    *wrong("build_late_transformer", PAIR, tokens=[3, "two"], fusion_units=6, max_tokens=0),
    *wrong("build_modality_gated", PAIR, head_units=0, dropout=-1),
    *wrong("build_moddrop", PAIR, rate=[1.5, Shown({"video": 0.5}, "video")], seed=1.5,
           start=["zeros", Shown("block_diagonal", "flatten")]),
    *wrong("build_quality_aware", PAIR, scale=-0.1),
    *wrong("build_residual_gated", PAIR, fusion_units=0, kernel_size=0),
    *wrong("build_shared_specific", PAIR, fusion_units=0, temperature=0,
           similarity_weight=-1, head_units=Shown(("128",), "'128'")),
    *wrong("build_tensor_fusion", PAIR, fusion_units=[0, Shown({"video": 3}, "video")], max_size=0,
           dropout=1.0),
    *wrong("build_trusted", PAIR, enhanced="yes"),
    *wrong("build_xflow", PAIR, cross_units=0, kernel_sizes=0, lstm_units=0),
    *wrong(
        "build_xflow",
        backbones=Shown(lambda: {"a": map_net("one")}, "a"),
    ),
    *wrong("models.FusionBuilder", PAIR, main="video", name=3, per_place=1, taps="first"),
]  # fmt: skip

PRESETS = [
    *wrong("presets.centralnet_afew", dropout=1.5),
    *wrong("presets.centralnet_audioset", weights="imagenett"),
    *wrong("presets.centralnet_av_mnist", dropout="0.5"),
    *wrong("presets.centralnet_mm_imdb", dropout=-1),
    *wrong("presets.centralnet_mm_mnist", dropout=1),
    *wrong("presets.centralnet_montalbano", padded="yes", dropout=2.0),
    *wrong("presets.modality_gate_rgbd", {"rgb_shape": (32, 32, 3), "depth_shape": (16, 16, 1)},
           rgb="vgg", num_classes=0, trainable="conv"),
    *wrong("presets.xflow_cnn_mlp", dataset=["mnist", 3]),
    *wrong("presets.xflow_cnn_mlp", {"dataset": "cuave"}, image_shape=(90, 120), cross="yes",
           num_classes=0, kernel_sizes=(3,)),
    *wrong("presets.xflow_cnn_mlp_lstm", dataset="AVletters"),
    *wrong("presets.xflow_cnn_mlp_lstm", {"dataset": "cuave"}, audio_shape=26, residual=1),
    *wrong("presets.xflow_dtn", dataset="digit"),
    *wrong("presets.xflow_dtn", {"dataset": "digits"}, image_features="100", num_classes=-3),
]  # fmt: skip

SAMPLES = [
    Shown(lambda: without("sound"), "without ['sound']"),
    Shown(lambda: list(x().values()), "list"),
    Shown(lambda: x()["image"], "ndarray"),
    Shown({}, "without ['image', 'sound']"),
    Shown(lambda: x(image=x()["sound"], sound=x()["image"]), "(4, 5)", 'x["image"]'),
    Shown(lambda: x(sound=floats(4, 6)), "(4, 6)", 'x["sound"]'),
    Shown(lambda: x(sound=floats(3, 5)), "{'image': 4, 'sound': 3}"),
    Shown(lambda: x(sound=np.full((4, 5), "0.5")), "<U3", 'x["sound"]'),
    Shown(lambda: x(sound=None), "None", 'x["sound"]'),
]
FIT = [
    *wrong("FusionModel", {"inputs": {}, "outputs": {}},
           fusion_levels=Shown((), "no weights", "unimodal_loss_weights")),
    *wrong("FusionModel.fit", lambda: {"self": model(), "y": labels()}, x=SAMPLES),
    *wrong(
        "FusionModel.fit",
        lambda: {"self": reading(), "y": labels()},
        x=[
            Shown(lambda: words(words=np.full((4, 6), 0.5)), "0.5", 'x["text"]["words"]'),
            Shown(lambda: {**words(), "text": np.ones((4, 6))}, "ndarray", 'x["text"]'),
        ],
    ),
    *wrong("FusionModel.evaluate", lambda: {"self": model(), "y": labels()},
           x=SAMPLES[:1] + SAMPLES[5:7]),
    *wrong("FusionModel.predict", lambda: {"self": model()}, x=SAMPLES),
    *wrong("FusionModel.fit", data, self=Shown(lambda: uncompiled(), "late_fusion", "model")),
    *wrong("FusionModel.evaluate", data, self=Shown(lambda: uncompiled(), "late_fusion", "model")),
    *wrong(
        "FusionModel.fit",
        lambda: {"self": model(), "x": x()},
        y=[
            Shown(np.array([0, 1, 2, 3]), "3"),
            Shown(np.array([0, -1, 2, 2]), "-1"),
            Shown(np.array([0, 1, np.nan, 2]), "NaN"),
            Shown(np.eye(3)[[0, 1, 2, 0]], "(4, 3)"),
            Shown(np.array([0, 1, 2]), "3"),
            Shown(np.array(["cat", "dog", "cat", "cat"]), "<U3"),
            Shown({"image": np.array([0, 1, 2, 0])}, "central"),
            Shown([0, 1, 2, 0], "list"),
            Shown(None, "None"),
        ],
    ),
    *wrong(
        "FusionModel.fit",
        lambda: {"self": one_hot(), "x": x()},
        y=[Shown(np.array([0, 1, 2, 0]), "(4,)"), Shown(np.eye(4), "(4, 4)")],
    ),
    *wrong(
        "FusionModel.fit",
        lambda: {"self": maskable(), "y": labels()},
        x=[
            Shown(lambda: x(present=np.ones((4, 3))), "(4, 3)", "present"),
            Shown(lambda: x(present=np.ones(4)), "(4,)", "present"),
            Shown(lambda: x(present=np.ones((3, 2))), "3", "present"),
            Shown(lambda: x(present=np.full((4, 2), "yes")), "<U3", "present"),
            Shown(lambda: x(present=np.full((4, 2), 0.5)), "0.5", "present"),
            Shown(lambda: x(present=np.full((4, 2), np.nan)), "nan", "present"),
            Shown(lambda: x(present=np.zeros((4, 2))), "zeros only", "present"),
        ],
    ),
    *wrong(
        "FusionModel.compile",
        lambda: {"self": model()},
        loss=["sparse_crossentropy", Shown({"video": "mse"}, "['video']")],
        metrics=["acuracy", Shown({"video": ["accuracy"]}, "['video']")],
        optimizer="adamm",
        unimodal_loss_weights=[-1.0, "1", Shown({"video": 1.0}, "['video']")],
    ),
    *wrong("FusionModel.fusion_weights", lambda: {"self": model()},
           x=[Shown(None, "None"), SAMPLES[0]]),
]  # fmt: skip

LAYERS = [
    *wrong("layers.BottleneckFusion", units=[0, 6]),
    *wrong("layers.BottleneckFusion", {"units": 4}, fusion_layer=[-1, 4], bottlenecks=-1),
    *wrong("layers.CentralFusion", modality_scale=1),
    *wrong("layers.ResampleTime", steps=[0, "3", 2.5]),
    *wrong("layers.AverageAxes", axes=[0, "time", Shown((1, 1), "[1, 1]")]),
    *wrong("layers.CooccurrenceRegularization", pair_weight=-1),
    *wrong("layers.CrossConnection1D2D", target_shape=[(8, 8), 8]),
    *wrong("layers.CrossConnection1D2D", {"target_shape": (4, 4, 1)}, kernel_size=0, batch_norm=1,
           dropout=-0.1),
    *wrong("layers.CrossConnection2D1D", units=0),
    *wrong("layers.CrossConnection2D1D", {"units": 4}, filters=0, dropout=1.0),
    *wrong("layers.CrossConnectionND", target_shape=[4, (4, 0), (None, 4, 4)]),
    *wrong("layers.CrossConnectionND", {"target_shape": (4,)}, dropout=1.0, seed="one"),
    *wrong("layers.ClassPrototypes", num_classes=1),
    *wrong("layers.ClassPrototypes", {"num_classes": 3}, momentum=1.0),
    *wrong("layers.CrossModalAttention", units=[0, 6]),
    *wrong("layers.CrossModalAttention", {"units": 4}, dropout=-0.1),
    *wrong("layers.EnergyFusion", scale=[-1, "0.1"]),
    *wrong("layers.GatedMultimodalUnit", units=-1),
    *wrong("layers.GatedMultimodalUnit", {"units": 4}, use_bias=1),
    *wrong("layers.HiddenCRF", num_classes=0),
    *wrong("layers.HiddenCRF", {"num_classes": 3}, states=0),
    *wrong("layers.LatentFusion", {"units": 4}, latents=0, num_layers=-1),
    *wrong("layers.Maxout", units=0),
    *wrong("layers.Maxout", {"units": 4}, pieces=0),
    *wrong("layers.ModDrop", rate=[1.5, -0.1], allow_none=1),
    *wrong("layers.Modout", units=0),
    *wrong("layers.Modout", {"units": 4}, rate=[1.0, 0], learned=1, seed=-1),
    *wrong("layers.ModalityMask", index=-1),
    *wrong("layers.MultiInteractiveMemory", units=0),
    *wrong("layers.MultiInteractiveMemory", {"units": 4}, hops=0),
    *wrong("layers.MultipleKernelFusion", kernels=["rbff", 3, Shown(([],), "[[]]")], landmarks=1,
           nystroem="no"),
    *wrong("layers.PadFrames", frames=-1),
    *wrong("layers.ProbabilitiesToLogits", activation=None),
    *wrong("layers.ResidualGating", units=0),
    *wrong("layers.ScoreRule", {"rule": "product"}, priors=[([0.5, 0.2],), ([-1.0, 2.0],)]),
    *wrong("layers.SharedSpecificFusion", units=0),
    *wrong("layers.SharedSpecificFusion", {"units": 4}, domain_weight=-1),
    *wrong("layers.SharedSpecificTransfer", units=0),
    *wrong("layers.SharedSpecificTransfer", {"units": 4}, temperature=0),
    *wrong("layers.TensorFusion", max_size=0),
    *wrong("layers.TransformerFusion", {"units": 4}, norm="none", positions=1, dropout=1.0),
    *wrong("layers.WeaklySharedDense", units=0),
    *wrong("layers.WeaklySharedDense", {"units": 4}, sharing_weight=-1),
    *called("layers.CentralFusion", modalities=[
        Shown(lambda: zeros((2, 3)), "(2, 3)"),
        Shown(lambda: [zeros((2, 3)), zeros((2, 4))], "(2, 4)", "CentralFusion"),
    ]),
    *called("layers.ElementwiseFusion", modalities=Shown([], "[]")),
    *called("layers.FiLM", modalities=[
        Shown(lambda: [zeros((2, 3)), zeros((2, 4, 3))], "(2, 4, 3)", "FiLM"),
    ]),
    *called("layers.GatedMultimodalUnit", {"units": 4}, modalities=[
        Shown(lambda: [zeros((2, 3, 3)), zeros((2, 3))], "(2, 3, 3)", "GatedMultimodalUnit"),
    ]),
    *called("layers.GatedMultimodalUnit", {"units": 4}, lambda: {"modalities": [zeros((2, 3))] * 2},
            present=Shown(lambda: zeros((2, 3)), "(2, 3)")),
    *called("layers.MaskedAverage", inputs=Shown(lambda: zeros((2, 3)), "(2, 3)", "MaskedAverage")),
    *called("layers.ZeroMaskedSteps",
            inputs=Shown(lambda: zeros((2, 3)), "(2, 3)", "ZeroMaskedSteps")),
    *called("layers.MaskAbsentSteps",
            inputs=Shown(lambda: [zeros((2, 3)), zeros((2, 1))], "(2, 3)", "MaskAbsentSteps")),
    *called("layers.ModalityGate", modalities=Shown(lambda: zeros((2, 3)), "(2, 3)",
                                                    "ModalityGate")),
]  # fmt: skip

SCORES = [
    *wrong("losses.EvidentialLoss", annealing_steps=[0, 2.5]),
    *wrong("losses.WeightedBinaryCrossentropy", positive_weight=[-2.0, "2", 0], from_logits="no"),
    *wrong(
        "losses.WeightedBinaryCrossentropy.call",
        lambda: {"self": kf.losses.WeightedBinaryCrossentropy(), "y_pred": zeros((2, 3))},
        y_true=Shown(lambda: zeros((2, 4)), "(2, 4) and (2, 3)", "labels"),
    ),
    *wrong("losses.BatchClassification", scale=[0, "4"]),
    *wrong("losses.SoftTriplet", scale=[0, "4"]),
    *wrong(
        "metrics.recall_at_k",
        {"queries": np.eye(3), "candidates": np.eye(3)},
        queries=[Shown(np.eye(4), "(4, 4)"), Shown(np.eye(3)[:2], "2 and 3"),
                 Shown(np.eye(3) * np.nan, "(3, 3)")],
        candidates=Shown(np.ones(3), "(3,)"),
        k=[5, Shown([0], "0")],
        query_labels=Shown([1, 2, 3], "[1, 2, 3]"),
        labels=Shown([1, 2, 3], "[1, 2, 3]"),
        left_out=[Shown([0, 1], "(2,)"), Shown([0, 1, 3], "3])"), Shown([0.0, 1.0, 2.0], "2.])")],
    ),
    *wrong("metrics.F1", average="mean", threshold="0.5"),
    *updated("F1", y_true=Shown(np.eye(4), "(4, 4)", "F1")),
    *wrong("metrics.ExpectedCalibrationError", bins=[0, 2.5], from_logits="no"),
    *wrong("metrics.BrierScore", from_logits=1),
    *(
        case
        for name in ("BrierScore", "ExpectedCalibrationError")
        for case in updated(name, y_true=Shown(np.eye(4), "(4, 4)", name))
    ),
    *updated("MacroAccuracy", y_true=Shown(np.eye(4), "(4, 4)", "MacroAccuracy")),
    *updated("NumberOfErrors", y_true=Shown(np.eye(4), "(4, 4)", "NumberOfErrors")),
    *updated("NumberOfErrors", {"y_true": np.array([0, 1])},
             sample_weight=Shown(np.ones((2, 3)), "(2, 3)")),
]  # fmt: skip

IMAGE, MAPS = {"input_shape": (8, 8, 1)}, ("audio_cnn", "depth_cnn", "lenet5")
SERIES = {"input_shape": (8, 2)}
BACKBONES = [
    *(
        case
        for name in MAPS
        for case in wrong(f"backbones.{name}", input_shape=[(28, 28), 28, (28, 28, "1")])
        + wrong(f"backbones.{name}", {"input_shape": (64, 64, 1)}, num_classes="10", dropout=-0.5)
    ),
    *wrong("backbones.lenet5", activation="softmaxx"),
    *wrong("backbones.audioset_cnn", input_shape=(512, 512), filters=[(), "64"], dropout=1),
    *(
        case
        for name in ("gru", "lstm")
        for case in wrong(f"backbones.{name}", input_shape=[(8,), 8, "8"])
        + wrong(f"backbones.{name}", SERIES, units=[64, Shown((0,), "0", "units[0]"), ()],
                bidirectional="yes", dropout=2)
    ),
    *wrong("backbones.cnn_1d", input_shape=[(8,), (2, 2)]),
    *wrong("backbones.cnn_1d", SERIES, filters="64", kernel_size=0, num_classes=-1),
    *wrong("backbones.mlp", input_shape=[0, "64", (8, -1)]),
    *wrong("backbones.mlp", {"input_shape": 8}, hidden_units=[128, (0,)], pad_to=4, dropout="0.5"),
    *wrong("backbones.text_encoder", vocabulary_size=["100", 1]),
    *wrong("backbones.text_encoder", {"vocabulary_size": 9}, length=0, embedding_units=1.5),
    *wrong("backbones.text_vectorizer", texts=[Shown([], "none"), Shown([1, 2], "int")]),
    *wrong("backbones.text_vectorizer", {"texts": ["a b"]}, max_tokens=1, length="8"),
    *wrong("backbones.auto", {"y": np.arange(4)}, x=[
        Shown(np.ones((4, 2)), "ndarray"),
        Shown({"a": np.ones((4, 1, 1, 1, 1))}, "1, 1)", "a")]),
    *wrong("backbones.auto", {"x": {"a": np.ones((4, 2))}}, y=[Shown(["a", "b"], "<U1"), None]),
    *wrong("backbones.auto", {"x": {"a": np.ones((4, 2))}, "y": np.arange(4)}, verbose=2,
           in_model=1, kinds=[{"a": "table"}, {"b": "image"}]),
    *wrong("backbones.pretrained", network=["resnet51", 3]),
    *wrong("backbones.pretrained", {"network": "mobilenet_v2"}, input_shape=[(32, 32, 1), 32],
           num_classes=0, dropout=-1, weights=["imagenett", "absent.h5"], momentum=1.0),
    *(
        case
        for name in ("resnet50", "vgg16", "vgg19")
        for case in wrong(f"backbones.{name}", input_shape=(224, 224, 1), num_classes="51")
    ),
    *wrong("backbones.inflated_resnet50", input_shape=(256, 256, 3), num_classes=0,
           temporal_kernel=2, weights="absent.h5", dropout=-0.1),
    *wrong("backbones.inflate", network=Shown("resnet50", "str")),
    *wrong("backbones.inflate", lambda: {"network": map_net()}, temporal_kernel=2, frames=0),
    *wrong("fusion_points", lambda: {"model": vector_net()}, ends_in=["softmax", 3]),
    *wrong("fusion_points", model=[Shown("lenet5", "str"), Shown(None, "None"),
                                   Shown(keras.Sequential, "Sequential")]),

]  # fmt: skip

MODELS = [
    *wrong("models.adapt_kernels", lambda: {"x": x()}, model=Shown(model, "gmu")),
    *wrong("models.adapt_kernels", lambda: {"model": model("kernel_fusion")},
           x=[Shown(lambda: without("sound"), "without ['sound']"), Shown(3, "int")]),
    *wrong("models.adapt_missing_modalities", lambda: {"x": x()}, model=Shown(model, "gmu")),
    *wrong(
        "models.adapt_missing_modalities",
        lambda: {"model": model("late_mean", missing_modalities="mean")},
        x=Shown(lambda: without("image"), "without ['image']"),
    ),
    *wrong("models.pretrain_dtn", lambda: {"x": x()}, model=Shown(model, "gmu")),
    *wrong("models.pretrain_dtn", lambda: {"model": model("dtn")},
           x=Shown(lambda: without("image"), "without ['image']")),
    *wrong("models.pretrain_dtn", lambda: {"model": model("dtn"), "x": x()}, epochs=0,
           batch_size="128"),
]  # fmt: skip

SPLIT = {"split": ({"a": np.ones((4, 2))}, np.arange(4))}
TABLE = {"modalities": {"m": ["a"]}, "label": "b", "verbose": False}
FOLDERS = ("afew", "audioset", "av_mnist_npy", "avletters", "bu_3dfe", "cuave", "grid_digits",
           "mfeat", "mm_imdb", "montalbano", "tcga_breast", "washington_rgbd", "womens_clothing",
           "xflow_digits", "mm_mnist", "av_mnist")  # fmt: skip
PCA = {"images": np.random.default_rng(0).random((9, 4, 4, 1))}
DATASETS = [
    *wrong("datasets.info", name=["mnist", 3]),
    *wrong("datasets.load_data", name=["mm-digits", Shown(None, "None")]),
    *wrong("datasets.download", name=["mm_digit", "mm_imdb"]),
        *(
        case
        for name in FOLDERS
        for case in wrong(f"datasets.{name}.load_data", data_dir="absent")
    ),
    *wrong("datasets.afew.load_data", data_dir=3),
    *wrong("datasets.mm_imdb.genres", data_dir="absent"),
    *wrong("datasets.av_mnist.load_data", split="speakers", energy=2, noise_db="loud", workers=0,
           limit=-1, noise="esc", window=3, scale="ln"),
    *wrong("datasets.av_mnist.sound", {"index": 0, "part": "test"}, limit=0, split="all"),
    *wrong("datasets.av_mnist_npy.load_data", layout="mfa"),
    *wrong("datasets.avletters.load_data", form="average", fold=-1, validation=1),
    *wrong("datasets.avletters.parse_lips", path=Shown("absent.mat", "no such file", "absent.mat")),
    *wrong("datasets.avletters.parse_mfcc", path=Shown("absent.mfcc", "no such file",
                                                       "absent.mfcc")),
    *wrong("datasets.bu_3dfe.load_data", folds=2, fold=10, intensities=(5,)),
    *wrong("datasets.cuave.load_data", form="sequence", fold="0"),
    *wrong("datasets.grid_digits.load_data", noise_db="0"),
    *wrong("datasets.mfeat.parse_view", {"features": 3},
           path=Shown("absent.txt", "no such file", "absent.txt")),
    *wrong("datasets.mm_digits.load_data", energy=[Shown(0, "0.0"), "0.5"],
           share_ratio=Shown(2, "2.0"), shared="randm"),
    *wrong("datasets.mm_imdb.load_data", text="words", image="raw"),
    *wrong("datasets.montalbano.load_data", size=[100, "400"]),
    *wrong("datasets.washington_rgbd.load_data", folds="10", by="frames", samples=3),
    *wrong("datasets.womens_clothing.load_data", label="departement"),
    *wrong("datasets.womens_clothing.parse", {"text": "Rating\n1"},
           path=Shown("a.csv", "", "a.csv")),
    *wrong("datasets.xflow_digits.load_data", fold=15),
    *wrong("datasets.xflow_digits.load_data", {"spectrogram": True}, form="sequences"),
    *wrong("datasets.xflow_digits.parse_spectrogram",
           path=Shown("absent.raw", "no such file", "absent.raw")),
    *wrong("datasets.pca_modalities", images=[Shown(np.ones((4, 4)), "(4, 4)"),
                                              Shown(np.full((4, 2, 2, 1), "a"), "<U1"),
                                              Shown(np.full((4, 2, 2, 1), np.nan), "NaN")]),
    *wrong("datasets.pca_modalities", PCA, energy=[Shown(0, "0.0"), "0.5"],
           share_ratio=Shown(-1, "-1.0"), seed="0",
           shared="first"),
    *wrong(
        "datasets.synchronize",
        lambda: {"streams": {"a": (np.arange(3), np.arange(3))}, "step": 0.5, "window": 2},
        streams=[Shown([1], "[1]"), Shown({"a": [1]}, "[1]"),
                 Shown({"a": ([0, 1], [1])}, "(2,) and (1,)"), Shown({"a": ([0], ["b"])}, "<U1"),
                 Shown({"a": ([1, 0], [1, 2])}, "[1. 0.]")],
        step=[0, "1"], how=["nearest", Shown({"b": "last"}, "['b']"), Shown({}, "None")],
        tolerance=[-1, "0.1", Shown({"b": 1}, "['b']")], start=["0", Shown(3, "start=3")],
        end=["0", Shown(-1, "end=-1")], window=[0, "2"], hop=0,
    ),
    *wrong("datasets.synchronize", {"streams": {"a": ([0], [0])}, "step": 1}, hop=1),
    *wrong("datasets.from_dataframe", lambda: {**TABLE, "df": table()},
           modalities=[["a"], Shown({"b": "c"}, "['c']")], label=["a", "c"],
           split=["c", (0.5, 0.6, 0)], seed=-1, kinds=[{"a": "date"}, "number"],
           image_size=8, seconds=0, max_words=0, length=0, in_model=1, verbose="yes"),
    *wrong("datasets.from_dataframe", TABLE, df=[Shown([1], "list"), Shown({}, "dict")]),
    *wrong("datasets.Encoder", parts=[{"a": 3}, "a"]),
    *wrong("datasets.Encoder.load", path="absent.json"),
    *wrong("datasets.Encoder.load", path=Shown("broken.csv", "Expecting value", "broken.csv")),
    *wrong("datasets.drop_modalities", {"rate": 0.5}, x=[Shown([1], "list"), Shown({}, "{}")]),
    *wrong("datasets.drop_modalities", lambda: {"x": x()},
           rate=[1.5, "0.5", Shown({"video": 0.5}, "['video']")],
           pattern=[Shown(np.ones((3, 3)), "(3, 3)"), Shown("video", "['video']")]),
    *wrong("datasets.drop_modalities", lambda: {"x": x(), "rate": 0.5}, fill="zero", seed="0"),
    *wrong("datasets.as_pydataset", SPLIT, batch_size=[0, "32", 2.5]),
    *wrong("datasets.as_pydataset", {**SPLIT, "batch_size": 2}, shuffle="yes", seed=-1),
    *wrong("datasets.as_pydataset", {"batch_size": 2}, split=[
        Shown(lambda: x(), "dict"),
        Shown(lambda: (x(sound=floats(3, 5)), labels()), "3"),
    ]),
    *wrong("datasets.as_dataset", SPLIT, batch_size=0),
    *wrong("datasets.as_dataset", {**SPLIT, "batch_size": 2}, drop_remainder=1, seed="0"),
    *wrong("datasets.BalancedBatches", SPLIT, per_class=0, seed=1.5),
    *wrong("datasets.BalancedBatches", split=Shown(({"a": np.ones((4, 2))}, np.ones((4, 2))),
                                                   "(4, 2)")),
    *wrong("datasets.audio.read", path=Shown("a.wav", "no such file", "a.wav")),
    *wrong("datasets.audio.read", {"path": "a_file"}, sample_rate=0),
    *wrong("datasets.audio.resample", {"signal": np.ones(8), "rate": 8}, new_rate=[0, "8"]),
    *wrong("datasets.audio.resample", {"rate": 8, "new_rate": 4},
           signal=Shown(np.array(["a"]), "str")),
    *wrong("datasets.audio.trim", {"signal": np.ones(8)}, decibels=[-1, "40"]),
    *wrong("datasets.audio.centered", {"signal": np.ones(8)}, length=0),
    *wrong("datasets.audio.mix", {"signal": np.ones(8), "noise": np.ones(8)}, noise_db="loud"),
    *wrong("datasets.audio.mix", {"signal": np.ones(8), "noise_db": 0},
           noise=Shown(np.ones((2, 2)), "(2, 2)")),
    *wrong("datasets.audio.spectrogram", signals=Shown(np.ones((2, 2, 2)), "(2, 2, 2)")),
    *wrong("datasets.audio.spectrogram", {"signals": np.ones(900, "float32")}, hop=0, window="224",
           frequencies="log", scale="ln", range_db=-1, normalize="max", fft_length=8),
    *wrong("datasets.audio.spectrogram_dataset", paths=["a.wav", Shown([], "[]")]),
    *wrong("datasets.audio.spectrogram_dataset", {"paths": ["a.wav"]}, frames=0, decoder="tf"),
]  # fmt: skip


def build():
    return compiled(kf.build("late_mean", nets()))


SCORED = {"a": [0.9, 0.91], "b": [0.8, 0.82]}
PARTS = lambda: {"train": (x(), labels()), "test": (x(), labels())}  # noqa: E731
RUNS = lambda: {"build": build, "x": x(), "y": labels(), "seeds": [0]}  # noqa: E731
EVALUATION = [
    *wrong("evaluation.Comparison", scores=[Shown({}, "none"), 3,
                                            Shown({"a": ["0.9", "high"]}, "high")]),
    *wrong("evaluation.Comparison", {"scores": SCORED}, reference="c", level=[99, "0.9"],
           paired="yes"),
    *wrong("evaluation.Comparison", {"paired": True},
           scores=Shown({"a": [1, 2], "b": [1]}, "{'a': 2, 'b': 1}")),
    *wrong("evaluation.baselines", {"compile": compiled},
           make_backbones=["gmu", Shown(lambda: dict, "0 ([])", "backbones"),
                           Shown(lambda: nets, "['image', 'sound'] again")]),
    *wrong("evaluation.baselines", {"make_backbones": new_nets},
           compile=["adam", Shown({"losses": "mse"}, "['losses']"),
                    Shown({"loss": "crossentropy"}, "crossentropy", "loss")]),
    *wrong("evaluation.baselines", {"make_backbones": new_nets, "compile": compiled},
           methods=["gmu", Shown(["gum"], "gum"), Shown({"gmu": 3}, "3", 'methods["gmu"]'),
                    Shown({"gmu": {"rule": "max"}}, "['rule']", 'methods["gmu"]')],
           num_classes=[0, "10"], units="3", head="relu"),
    *wrong("evaluation.compare", lambda: {"data": PARTS(), "seeds": [0]},
           methods=[Shown(lambda: build, "function build"), {"a": "gmu"}]),
    *wrong("evaluation.compare", lambda: {"methods": {"a": build}, "seeds": [0]},
           data=[Shown({"train": 3}, "['train']"), Shown([1, 2], "list")]),
    *wrong("evaluation.compare", lambda: {"methods": {"a": build}, "data": PARTS()},
           seeds=[3, Shown([], "[]"), Shown([0, 0], "[0, 0]")]),
    *wrong("evaluation.compare", lambda: {"methods": {"a": build}, "data": PARTS(), "seeds": [0],
                                          "metric": "loss"},
           reference="b", level=2, metric=["f1", 3], results=3, name=3, version=3, data_key=3,
           refresh="no", keep_predictions="no", prepare=3, executor=3, shard=[(1, 1), 3],
           epochs=0, early_stopping=3, learning_rate="fast", callbacks=Shown([], "list"),
           sample_weight=Shown(np.ones(3), "[3, 4]"),
           folds=[3, Shown([], "[]")], epoch=Shown(3, "['epoch']")),
    *wrong("evaluation.cross_validate", lambda: {**RUNS(), "groups": [0, 0, 1, 1]},
           folds=[1, "5", Shown(9, "2 kinds", "9 or more")]),
    *wrong("evaluation.cross_validate", lambda: {**RUNS(), "groups": [0, 0, 1, 1], "folds": 2},
           epoch=Shown(3, "['epoch']")),
    *wrong("evaluation.cross_validate", RUNS, groups=Shown([0, 1, 0], "3")),
    *wrong("evaluation.group_folds", {"groups": [0, 0, 1, 1]}, folds=["5", 1]),
    *wrong("evaluation.group_folds", {"groups": [0, 1], "folds": 2}, seed=-1),
    *wrong("evaluation.group_folds", groups=Shown([0, 0], "1 kinds")),
    *wrong("evaluation.check_groups", {"train": [0], "test": [1]}, groups=Shown([7, 7], "[7]")),
    *wrong("evaluation.check_groups", {"groups": [0, 1], "test": [1]}, train=Shown([9], "9")),
    *wrong("evaluation.classification_scores", {"y_true": np.array([0, 1])},
           y_pred=[Shown(np.ones(2), "(2,)", "NumberOfErrors"),
                   Shown(np.array([[np.nan, 1], [0, 1]]), "NaN"),
                   Shown(np.ones((3, 2)), "2 and 3")]),
    *wrong("evaluation.classification_scores", {"y_pred": np.ones((2, 2))},
           y_true=Shown(np.array([0, 2]), "2")),
    *wrong("evaluation.f1_scores", {"y_true": np.eye(2)},
           y_pred=[Shown(np.ones((2, 3)), "(2, 3)", "F1"), Shown(np.full((2, 2), np.nan), "NaN")]),
    *wrong("evaluation.f1_scores", {"y_true": np.eye(2), "y_pred": np.eye(2)}, threshold="0.5"),
    *wrong("evaluation.modality_subsets", data, model=[Shown(model, "gmu"), Shown("gmu", "str")]),
    *wrong("evaluation.modality_subsets", lambda: {"model": maskable(), "y": labels()},
           x=[SAMPLES[0], Shown([1], "list")]),
    *wrong("evaluation.noise_curves", data, model=[Shown(lambda: uncompiled(), "late_fusion"),
                                                   Shown(vector_net, "Functional")]),
    *wrong("evaluation.noise_curves", lambda: {"model": model(), **data()},
           modalities=["video", Shown(("video",), "['video']")], snrs=[20, "20", ("loud",)],
           batch_size="32"),
    *wrong("evaluation.noise_curves", lambda: {"model": model(), "y": labels()}, x=SAMPLES[0]),
    *wrong("evaluation.add_noise", {"signal": np.ones(4)}, snr=["20", float("nan")]),
    *wrong("evaluation.add_noise", {"snr": 3}, signal=Shown(np.array(["a"]), "<U1")),
    *wrong("evaluation.write_results", {"rows": [{"seed": 0}]}, path=["runs.txt", 3]),
    *wrong("evaluation.write_results", {"path": "absent/runs.csv"},
           rows=Shown([{"seed": 0}], "absent/runs.csv", "path")),
    *wrong("evaluation.write_results", {"path": "runs.csv"},
           rows=[3, Shown([{"a": print}], "print")]),
    *wrong("evaluation.read_results", path=["runs.csv", "absent.jsonl",
                                            Shown("broken.jsonl", "2", "broken.jsonl")]),
    *wrong("evaluation.Cells", folder=Shown(3, "3", "results")),
    *wrong("evaluation.markdown_report", lambda: {"comparison": kf.evaluation.Comparison(SCORED)},
           published=Shown({"c": 0.9}, "['c']"), path="absent/report.md"),
    *wrong("evaluation.markdown_report", comparison=3),
    *wrong("evaluation.mean_interval", values=[
        Shown([], "[]"), Shown([np.nan], "nan"), Shown(["high"], "high")]),
    *wrong("evaluation.mean_interval", {"values": [1, 2]}, level=[99, "0.9"]),
    *(
        case
        for name in ("z_test", "welch_test", "paired_t_test", "wilcoxon_test")
        for case in wrong(f"evaluation.{name}", {"second": [1, 2, 3]}, first=Shown([1], "[1.0]"))
    ),
    *wrong("evaluation.paired_t_test", {"first": [1, 2]}, second=Shown([1, 2, 3], "2 and 3")),
    *wrong("evaluation.corrected_t_test", {"first": [1, 2], "test_train_ratio": 0.25},
           second=Shown([1, 2, 3], "2 and 3")),
    *wrong("evaluation.corrected_t_test", {"first": [1, 2], "second": [1, 3]},
           test_train_ratio=[-0.1, "0.1"]),
    *wrong("evaluation.effect_size", {"second": [1, 2, 3]}, first=Shown([1], "[1.0]")),
    *wrong("evaluation.effect_size", {"first": [1, 2], "second": [1, 3]}, level=95, paired="yes"),
    *wrong("evaluation.compare_over_data_sets", scores=[
        3, Shown(SCORED, "['a', 'b']"), Shown({**SCORED, "c": [0.9]}, "[0.9]"),
        Shown({**SCORED, "c": ["high", "low"]}, "high"),
        Shown({**SCORED, "c": [0.9, 0.8, 0.7]}, "'c': 3")]),
    *wrong("evaluation.compare_over_data_sets", {"scores": {**SCORED, "c": [0.9, 0.8]}}, level=5,
           higher_is_better="yes"),
    *wrong("evaluation.RankComparison", {"data_sets": 3}, ranks=[3, {"a": 1.0}]),
    *wrong("evaluation.RankComparison", {"ranks": {"a": 1.0, "b": 2.0}}, data_sets=[0, "3"]),
    *wrong("evaluation.holm", p_values=[Shown([0.5, 1.5], "1.5"), Shown(["small"], "small")]),
]  # fmt: skip

ALIGNED = functools.cache(lambda: kf.training.align(nets(), x()))
TRAINING = [
    *wrong("training.fit_replicas", RUNS, build=[3, Shown(lambda: lambda: 3, "3"),
                                                 Shown(lambda: uncompiled, "late_fusion")],
           seeds=[3, Shown([], "[]"), Shown([0, 0], "[0, 0]"), Shown(["0"], "'0'")],
           x=[SAMPLES[0], SAMPLES[6]],
           y=Shown(np.array([0]), "1"),
           epochs=0, batch_size="32", learning_rate="fast", early_stopping="val_loss",
           convolutions="all", validation_data=Shown(3, "int"), backup_dir="a_file/x",
           class_weight=[Shown([1, 2], "list"), Shown({"cat": 1.0}, "'cat'")],
           callbacks=[Shown([], "list"), Shown(lambda: dict, "{}")]),
    *wrong("training.FusionWeightsHistory",
           plot=[True, Shown(lambda: print, "log_dir=None", "log_dir")],
           log_dir="gs://bucket", path=3),
    *wrong("training.align", lambda: {**PAIR(), "data": x()}, loss=[3, "clip"], units=0, epochs=0,
           batch_size=0, seed=-1, data=Shown([1], "list"), optimizer="sdg",
           missing_modalities="maybe", ends_in="logit"),
    *wrong("training.align", lambda: {"data": x()}, backbones=[Shown(3, "int"), Shown({}, "0")]),
    *wrong("training.Alignment.evaluate", lambda: {"self": ALIGNED(), "data": x()},
           k=[3, Shown([0], "0")], data=Shown(3, "int"), batch_size=0),
    *wrong("training.BackupAndRestore", backup_dir=3),
    *wrong("training.BackupAndRestore", {"backup_dir": "new"}, delete_checkpoint="no", callbacks=3),
    *wrong("training.ModalityBalance", {"y": labels()}, x=Shown([1], "list")),
    *wrong("training.log_fusion_weights", {"log_dir": "logs"}, model_or_weights=3),
    *wrong("training.log_fusion_weights", lambda: {"model_or_weights": {"level_0": {"a": 1.0}}},
           log_dir=["gs://bucket", "a_file"]),
]  # fmt: skip

WEIGHTS = {"level_0": {"a": 0.5, "b": 0.5}}
TRIALS = [{"score": 0.9, "values": {"rate": r}} for r in (0.1, 0.2)]
PLOTS = [
    *wrong("plot_fusion_weights", model_or_weights=[3, Shown({}, "{}"),
                                                    Shown({"level_0": {"a": 0.7, "b": 0.7}}, "1.4",
                                                          "level_0")]),
    *wrong("plot_fusion_weights", {"model_or_weights": WEIGHTS}, path=["absent/a.png", "a.docx"]),
    *wrong("plots.plot_fusion_history", history=["absent.csv", 3,
                                           Shown("broken.csv", "broken.csv", "epoch")]),
    *wrong("plots.plot_fusion_graph", model=[Shown(vector_net, "Functional"), Shown("gmu", "str")]),
    *wrong("plots.plot_fusion_graph", lambda: {"model": model()}, path="absent/graph.png"),
    *wrong("plots.plot_calibration", {"y_true": [0, 1]},
           predictions=[3, {}, Shown({"a": np.eye(3)}, "(3, 3)"),
                        Shown({"a": np.ones((2, 2))}, "sums from 2.0")]),
    *wrong("plots.plot_calibration", {"predictions": {"a": np.eye(2)}},
           y_true=[Shown([0.5, 1], "float64"), Shown([[0], [1]], "shape")]),
    *wrong("plots.plot_calibration", {"predictions": {"a": np.eye(2)}, "y_true": [0, 1]}, bins=0,
           path="absent/a.png"),
    *wrong("report", model=[Shown(3, "int"), Shown("model", "str")]),
    *wrong("report", lambda: {"model": model()},
           data=[Shown(None, "NoneType"), Shown(({},), "tuple"), Shown((3, 4), "int")]),
    *wrong("report", lambda: {"model": kf.evaluation.Comparison(SCORED)},
           data=Shown((1, 2), "tuple"), path=["absent/page.html", 3], title=3),
    *wrong("report", lambda: {"model": model(), "data": (x(), labels())},
           callbacks=[3, [3]], classes=["abc", 3, [3]], batch_size=0),
    *wrong("plots.plot_comparison", comparison=3),
    *wrong("plots.plot_comparison", lambda: {"comparison": kf.evaluation.Comparison(SCORED)},
           path="a.docx"),
    *wrong("plots.plot_critical_difference", result=3),
    *wrong("plots.plot_critical_difference",
           lambda: {"result": kf.evaluation.RankComparison({"a": 1.0, "b": 2.0}, 3)},
           path="a.docx"),
    *wrong("plots.plot_modality_balance", balance=3),
    *wrong("plots.plot_noise_curves", curves={}),
    *wrong("plots.plot_noise_curves", {"curves": {"a": {20.0: {"accuracy": 0.5}}}}, metric="acc"),
    *wrong("plots.plot_score_grid", grids=3),
    *wrong("plots.plot_search", trials=[Shown([], "0"), 3, Shown([{"values": {}}], "1 without")]),
    *wrong("plots.plot_search", {"trials": TRIALS}, direction="up", path="absent/a.png"),
]  # fmt: skip

TUNING = [
    *wrong("tuning.default_space", method=["gmuu", 3]),
    *wrong("tuning.FusionHyperModel", lambda: {"backbones": nets},
           method=["gmuu", 3, ("gmu", "gmu")]),
    *wrong("tuning.FusionHyperModel", {"method": "gmu"},
           backbones=[Shown(3, "int"), Shown({}, "{}")]),
    *wrong("tuning.FusionHyperModel", lambda: {"method": "gmu", "backbones": nets},
           space=["widee", Shown({"hiden_units": [1, 2]}, "['hiden_units']"),
                  Shown({"fusion_units": []}, "[]"),
                  Shown({"fusion_units": {"min": 9, "max": 3}}, "9 and 3")],
           optimizer=Shown(lambda: keras.optimizers.Adam(), "Adam"),
           arguments=Shown({"hiden_units": 3}, "['hiden_units']")),
    *wrong("tuning.make_tuner", hypermodel=Shown("gmu", "str")),
    *wrong("tuning.make_tuner", lambda: {"hypermodel": kf.tuning.FusionHyperModel("gmu", nets),
                                         "max_trials": 1},
           tuner="grd", objective=["val_acuracy", 3], executions=0, max_trials="3",
           directory=Shown("a_file", "a_file/search"), seed="0"),
    *wrong("tuning.read_trials", folder=Shown("absent", "absent")),
]  # fmt: skip

SAVING = lambda: {"model": maskable(), "path": "new"}  # noqa: E731
FULL = [Shown("full", "full"), Shown("a_file", "a_file"), Shown("a_file/1", "a_file"), 3]
EXPORT = [
    *wrong("export", {"path": "new"}, model=[Shown("model.keras", "str"),
                                                    Shown(vector_net, "Functional")]),
    *wrong("export", lambda: {"model": maskable()}, path=FULL),
    *wrong("export", SAVING, format=["saved-model", ".onnx", 3], quantize="int8",
           raw=["jpeg", {"video": "jpeg"}, Shown({"image": "gif"}, "'gif'"),
                Shown({"sound": "png"}, "(5,)")],
           samples=[SAMPLES[0], Shown(lambda: x(image=np.ones((4, 3))), "(3, 3)",
                                      'samples["image"]'), Shown(3, "int")],
           tolerance=["1e-4", -1], verbose="no"),
    *wrong("export", lambda: {"model": maskable(), "format": "onnx"},
           path=[Shown("model.onnx", "model.onnx"), Shown("new.tflite", "new.tflite")]),
    *wrong("export_saved_model", {"path": "new"}, model=Shown(3, "int")),
    *wrong("export_saved_model", lambda: {"model": maskable()}, path=FULL),
    *wrong("save_with_card", {"folder": "new"}, model=Shown(vector_net, "Functional")),
    *wrong("save_with_card", lambda: {"model": maskable()},
           folder=[*FULL, Shown("new.keras", "new.keras")]),
    *wrong("save_with_card", lambda: {"model": maskable(), "folder": "new"},
           data=[Shown(lambda: (x(),), "'image'"), "test", (3, 4)]),
]  # fmt: skip

CASES = [
    *BUILDERS, *PRESETS, *FIT, *LAYERS, *SCORES, *BACKBONES, *MODELS, *DATASETS, *EVALUATION,
    *TRAINING, *PLOTS, *TUNING, *EXPORT,
]  # fmt: skip

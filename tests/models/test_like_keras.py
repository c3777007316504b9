"""What a plain Keras model of the same graph takes, a FusionModel takes with the same numbers.

Or it refuses before anything is trained, with an error of its own, where Keras would fail deep
inside or go wrong without a word. Every row of the table is run with the central prediction alone
and with a head for each modality, with and without missing modalities.
"""

import functools
import importlib.util
import itertools
import os
import tempfile

import keras
import numpy as np
import pytest
from helpers.like_keras import BATCH, HEADS, LABELS, VARIANTS, N, Row, fused, models, plain

IS_TENSORFLOW = keras.backend.backend() == "tensorflow"
ONE_HOT = np.eye(3, dtype="float32")[LABELS]
BINARY = LABELS % 2
NUMBERS = np.stack([np.sin(np.arange(N)), np.cos(np.arange(N))], axis=-1).astype("float32")
POSITIVE = np.abs(NUMBERS)
SPARSE = {"loss": "sparse_categorical_crossentropy"}
BINARY_LOSS = {"loss": "binary_crossentropy"}
L = keras.losses


def losses():
    """Every loss of Keras by name and as an object, and with arguments of its own."""
    indices = {"SparseCategoricalCrossentropy", "CategoricalGeneralizedCrossEntropy", "Circle"}
    of_classes = ["CategoricalCrossentropy", "CategoricalFocalCrossentropy", "CategoricalHinge",
                  "KLDivergence", "CosineSimilarity", "Dice", "Tversky", "Poisson",
                  *sorted(indices)]  # fmt: skip
    of_numbers = ["MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError",
                  "MeanSquaredLogarithmicError", "Huber", "LogCosh"]  # fmt: skip
    of_binary = ["BinaryCrossentropy", "BinaryFocalCrossentropy", "Hinge", "SquaredHinge"]
    own = [
        ("numbers", BINARY, L.SparseCategoricalCrossentropy(from_logits=True)),
        ("classes", LABELS, L.SparseCategoricalCrossentropy(reduction="sum")),
        ("classes", LABELS, L.SparseCategoricalCrossentropy(ignore_class=1)),
        ("classes", np.where(LABELS, LABELS, -1), L.SparseCategoricalCrossentropy(ignore_class=-1)),
        ("classes", ONE_HOT, L.CategoricalCrossentropy(label_smoothing=0.2)),
        ("classes", ONE_HOT, L.CategoricalFocalCrossentropy(alpha=0.5, gamma=1.0)),
        ("classes", 2 * ONE_HOT - 1, L.CategoricalHinge()),
        ("classes", ONE_HOT, L.Tversky(alpha=0.3, beta=0.7)),
        ("classes", ONE_HOT, L.MeanSquaredError(reduction="mean_with_sample_weight")),
        ("binary", BINARY, L.BinaryCrossentropy(label_smoothing=0.1)),
        ("numbers", ONE_HOT[:, :2], L.BinaryCrossentropy(from_logits=True)),
        ("binary", BINARY, L.BinaryFocalCrossentropy(apply_class_balancing=True, gamma=1.0)),
        ("binary", BINARY * 2 - 1, L.Hinge()),
        ("numbers", NUMBERS, L.Huber(delta=0.5)),
        ("numbers", NUMBERS, L.MeanAbsoluteError(reduction="sum")),
    ]
    known = {*of_classes, *of_numbers, *of_binary, "CTC"}
    for name in [name for name in dir(L) if name[0].isupper() and name != "Loss"]:
        if name in of_binary:
            task, y = "binary", BINARY
        elif name in of_numbers:
            task, y = "numbers", POSITIVE
        else:  # a loss of a later Keras too
            task, y = "classes", LABELS if name in indices else ONE_HOT
        assert name in known, f"a row for {name}"
        if name == "CTC":
            yield Row("losses", name, compile={"loss": L.CTC()}, refused="loss: .*CTC")
            continue
        own.append((task, y, getattr(L, name)()))
        if not _known(name):
            yield Row("losses", name, compile={"loss": name}, refused="loss: expected a name")
            continue
        yield Row("losses", f"{name} by name", task, {"loss": name}, y, by_batch=True,
                  variants=HEADS[1:])  # fmt: skip
    for k, (task, y, loss) in enumerate(own):
        yield Row("losses", f"{type(loss).__name__} {k}", task, {"loss": loss}, y, by_batch=True)


def heads():
    """Losses, metrics and weights for some heads only."""
    some = {"central": "sparse_categorical_crossentropy", "a": "sparse_categorical_crossentropy"}
    for name, compile, y in [
        ("loss of one head", {"loss": {"central": SPARSE["loss"]}}, None),
        ("loss and target of one head", {"loss": {"central": SPARSE["loss"]}}, {"central": LABELS}),
        ("losses of some heads", {"loss": some, "metrics": lambda: {"a": ["accuracy"]}}, None),
        ("targets of some heads", {"loss": some}, {"central": LABELS, "a": LABELS[::-1].copy()}),
        ("loss_weights", {**SPARSE, "loss_weights": {"central": 2.0, "a": 0.5, "b": 0.1}}, None),
        ("loss_weights of some", {**SPARSE, "loss_weights": {"a": 0.5}}, None),
        ("unimodal_loss_weights", {**SPARSE, "unimodal_loss_weights": 0.3}, None),
    ]:
        yield Row("heads", name, compile=compile, y=y, by_batch=True, variants=HEADS)
    one = {**SPARSE, "loss_weights": 2.0}
    yield Row("heads", "one weight", compile=one, by_batch=True, variants=VARIANTS[:2])
    for name, compile, y, refused in [
        ("targets of too few", SPARSE, {"central": LABELS, "a": LABELS}, r"y: .*without \['b'\]"),
        ("unknown loss", {"loss": {"c": "mse"}}, None, "loss: expected the heads"),
        ("unknown weight", {**SPARSE, "loss_weights": {"c": 1.0}}, None, "loss_weights: .*'c'"),
        ("infinite weight", {**SPARSE, "loss_weights": {"a": np.inf}}, None, "loss_weights: .*inf"),
        ("weights in a list", {**SPARSE, "loss_weights": [1, 1, 1]}, None, "loss_weights: .*dict"),
        ("one for many", {**SPARSE, "loss_weights": 2.0}, None, "loss_weights: .*dict"),
        ("infinite beta", {**SPARSE, "unimodal_loss_weights": np.inf}, None, "unimodal_.*inf"),
        ("unknown metrics", {**SPARSE, "metrics": {"c": ["mse"]}}, None, "metrics: expected the"),
    ]:
        yield Row("heads", name, compile=compile, y=y, refused=refused, variants=HEADS)


def targets():
    """Kinds of targets, and targets that do not fit."""
    one_hot = {"loss": "categorical_crossentropy"}
    mse = {"loss": "mse"}
    every = {"central": LABELS, "a": LABELS[::-1].copy(), "b": LABELS}
    equal = [
        ("(n, 1)", "classes", SPARSE, LABELS[:, None]),
        ("uint8", "classes", SPARSE, LABELS.astype("uint8")),
        ("float", "classes", SPARSE, LABELS.astype("float32")),
        ("bool", "binary", BINARY_LOSS, BINARY.astype(bool)),
        ("binary (n, 1)", "binary", BINARY_LOSS, BINARY[:, None]),
        ("soft", "binary", BINARY_LOSS, BINARY * 0.8 + 0.1),
        ("one-hot of uint8", "classes", one_hot, ONE_HOT.astype("uint8")),
        ("numbers", "numbers", mse, NUMBERS.astype("float64")),
        ("integers", "numbers", mse, np.round(3 * NUMBERS).astype("int64")),
        ("float16", "numbers", mse, NUMBERS.astype("float16")),
        ("tensor", "classes", SPARSE, keras.ops.convert_to_tensor(LABELS)),
    ]
    if pandas := _pandas():
        equal += [
            ("Series", "classes", SPARSE, pandas.Series(LABELS, index=np.arange(N)[::-1])),
            ("DataFrame", "numbers", mse, pandas.DataFrame(NUMBERS)),
        ]
    for name, task, compile, y in equal:
        yield Row("targets", name, task, compile, y, by_batch=isinstance(y, np.ndarray))
    yield Row("targets", "dict", compile=SPARSE, y=every, variants=HEADS)
    refused = [
        ("none", "classes", SPARSE, None, "y: expected an array.*None"),
        ("list", "classes", SPARSE, LABELS.tolist(), "y: expected an array.*list"),
        ("strings", "classes", SPARSE, LABELS.astype(str), "y: expected numbers"),
        ("objects", "classes", SPARSE, np.array(["a", "b", "c"] * 4, object), "y: expected numb"),
        ("from 1", "classes", SPARSE, LABELS + 1, "y: .*from 0 to 2 .*from 1 to 3"),
        ("one-hot", "classes", SPARSE, ONE_HOT, "y: expected class indices"),
        ("fractions", "classes", SPARSE, LABELS / 2, "y: expected class indices.*0.5"),
        ("-1", "classes", SPARSE, LABELS - 1, "y: .*from 0 to 2 .*from -1 to 1"),
        ("-1 and 1", "binary", BINARY_LOSS, BINARY * 2 - 1, "y: expected labels from 0 to 1"),
        ("2", "binary", BINARY_LOSS, LABELS, "y: expected labels from 0 to 1.*from 0 to 2"),
        ("indices", "classes", one_hot, LABELS, "y: expected one-hot labels"),
        ("one for many", "numbers", mse, NUMBERS[:, :1], r"y: .*\(samples, 2\).*\(12, 1\)"),
        ("vector for many", "numbers", mse, NUMBERS[:, 0], r"y: .*\(samples, 2\).*\(12,\)"),
        ("many for one", "binary", mse, NUMBERS, r"y: .*\(samples, 1\).*\(12, 2\)"),
        ("hinge", "binary", {"loss": "hinge"}, LABELS, "y: expected labels of -1 and 1"),
        ("negative", "numbers", {"loss": "msle"}, -POSITIVE, "y: expected values >= 0"),
        ("NaN", "numbers", mse, np.where(NUMBERS > 0.9, np.nan, NUMBERS), "y: .*NaN in . of 12"),
        ("infinity", "numbers", mse, np.where(NUMBERS > 0.9, np.inf, NUMBERS), "y: .*infinity"),
        ("too few", "classes", SPARSE, LABELS[:5], "y: expected 12 labels.*5"),
    ]
    if pandas:
        refused += [
            ("Series from 1", "classes", SPARSE, pandas.Series(LABELS + 1), "y: .*from 1 to 3"),
            ("Series of text", "classes", SPARSE, pandas.Series(["a"] * N), "y: expected numbers"),
        ]
    for name, task, compile, y, pattern in refused:
        data = (lambda x, y, w: {"x": x}) if y is None else None
        yield Row("targets", name, task, compile, y, data=data, refused=pattern)

    def in_batches(x, y, weight):
        return {"x": Batches(x, y, weight)}

    pattern = r"y.*\(samples, 2\).*\(\w+, 1\)"
    yield Row("targets", "one for many in batches", "numbers", mse, NUMBERS[:, :1],
              data=in_batches, refused=pattern)  # fmt: skip


def weights():
    """Weights of classes and of samples, under metrics of both kinds."""
    both = {
        **SPARSE,
        "metrics": lambda: ["accuracy", keras.metrics.SparseCategoricalCrossentropy(name="ce")],
        "weighted_metrics": lambda: ["accuracy"],
    }
    binary = {**BINARY_LOSS, "weighted_metrics": lambda: ["accuracy"]}
    one_hot = {"loss": "categorical_crossentropy", "metrics": lambda: ["accuracy"]}
    for name, task, compile, y, given in [
        ("of all classes", "classes", both, None, {0: 0.5, 1: 2.0, 2: 3.0}),
        ("of one class", "classes", SPARSE, LABELS[:, None], {1: 3}),
        ("NumPy keys", "classes", SPARSE, None, {np.int64(1): np.float32(3.0)}),
        ("float keys", "classes", SPARSE, None, {1.0: 3.0}),
        ("binary", "binary", binary, BINARY, {0: 0.5, 1: 2.0}),
        ("one-hot", "classes", one_hot, ONE_HOT, {0: 0.5, 2: 2.0}),
    ]:
        yield Row(
            "class_weight", name, task, compile, y, class_weight=given, by_batch=task != "classes"
        )
    every = {"central": LABELS, "a": LABELS, "b": LABELS}
    for name, task, y, given, pattern in [
        ("unknown class", "classes", None, {3: 2.0}, r"class_weight: .*0 to 2.*\[3\]"),
        ("unknown label", "binary", BINARY, {2: 2.0}, r"class_weight: .*0 to 1.*\[2\]"),
        ("string keys", "classes", None, {"1": 2.0}, "class_weight: expected class indices"),
        ("of heads", "classes", None, {"central": {0: 1.0}}, "class_weight: expected class ind"),
        ("list", "classes", None, [1.0, 2.0, 3.0], "class_weight: expected a dict.*list"),
        ("NaN", "classes", None, {1: np.nan}, "class_weight: .*nan"),
        ("infinity", "classes", None, {1: np.inf}, "class_weight: .*inf"),
        ("negative", "classes", None, {1: -1.0}, "class_weight: .*-1.0"),
        ("text", "classes", None, {1: "2"}, "class_weight: .*'2'"),
        (
            "beside targets by head",
            "classes",
            every,
            {1: 2.0},
            "class_weight: expected y to be",
        ),
        ("several numbers", "numbers", NUMBERS, {1: 2.0}, "class_weight: expected one class"),
        ("fractions", "binary", BINARY * 0.8 + 0.1, {1: 2.0}, "class_weight: .*would round"),
    ]:
        compile = {"loss": {"classes": SPARSE["loss"], "numbers": "mse"}.get(task, "mae")}
        compile = BINARY_LOSS if name == "unknown label" else compile
        variants = HEADS if name == "beside targets by head" else VARIANTS
        yield Row("class_weight", name, task, compile, y, class_weight=given, refused=pattern,
                  variants=variants)  # fmt: skip
    some = np.linspace(0.2, 2.0, N).astype("float32")
    equal = [
        ("(n,)", both, some, VARIANTS),
        ("(n, 1)", both, some[:, None], VARIANTS),
        ("integers", SPARSE, np.arange(N), VARIANTS),
        ("zeros", both, np.where(some > 1, 1.0, 0.0), VARIANTS),
        ("tensor", SPARSE, keras.ops.convert_to_tensor(some), VARIANTS),
        ("of every head", both, {"central": some, "a": some[::-1].copy(), "b": some}, HEADS),
        ("of one head", both, {"a": some}, HEADS),
    ]
    if pandas := _pandas():
        equal.append(("Series", SPARSE, pandas.Series(some, index=np.arange(N)[::-1]), VARIANTS))
    for k, (name, compile, given, variants) in enumerate(equal):
        yield Row(
            "sample_weight", name, compile=compile, weight=given, variants=variants, by_batch=k > 1
        )
    yield Row("sample_weight", "of one head, targets by head", compile=both, weight={"a": some},
              y=every, variants=HEADS)  # fmt: skip
    spoiled = np.where(some > 1.5, np.nan, some)
    for name, given, pattern in [
        ("NaN", spoiled, "sample_weight: expected finite.*NaN"),
        ("infinity", np.where(some > 1.5, np.inf, some), "sample_weight: expected finite.*infin"),
        ("NaN of a head", {"central": spoiled}, r'sample_weight\["central"\]: expected finite'),
        ("too few", some[:5], r"sample_weight: .*\(12,\).*\(5,\)"),
        ("(n, 2)", np.stack([some, some], 1), r"sample_weight: .*\(12,\).*\(12, 2\)"),
        ("list", some.tolist(), "sample_weight: expected an array.*list"),
        ("unknown head", {"c": some}, "sample_weight: expected the heads"),
        ("strings", some.astype(str), "sample_weight: expected numbers"),
    ]:
        yield Row("sample_weight", name, weight=given, refused=pattern)
    yield Row("sample_weight", "with class weights", weight=some, class_weight={1: 2.0},
              refused="class_weight")  # fmt: skip


class Batches(keras.utils.PyDataset):
    """Batches of arrays; `None` is left out."""

    def __init__(self, x, y, weight, **workers):
        super().__init__(**workers)
        self.columns = tuple(part for part in (x, y, weight) if part is not None)

    def __len__(self):
        return N // BATCH

    def __getitem__(self, index):
        rows = slice(BATCH * index, BATCH * (index + 1))
        return keras.tree.map_structure(lambda array: array[rows], self.columns)


def on_disk(kind, x):
    """The arrays of `x` in files, as memmaps or HDF5 data sets."""
    folder = tempfile.mkdtemp()
    if kind == "h5py":
        file = pytest.importorskip("h5py").File(os.path.join(folder, "x.h5"), "w")
        return {name: file.create_dataset(name, data=array) for name, array in x.items()}
    for name, array in x.items():
        np.save(os.path.join(folder, name), array)
    return {name: np.load(os.path.join(folder, f"{name}.npy"), mmap_mode="r") for name in x}


def inputs():
    """Kinds of arrays and data sets."""
    whole = VARIANTS[::2]  # integers have no NaN
    for name, dtype in [("float64", "f8"), ("float16", "f2"), ("int32", "i4"), ("int8", "i1"),
                        ("uint8", "u1"), ("bool", "?")]:  # fmt: skip
        variants = VARIANTS if dtype[0] == "f" else whole
        yield Row("inputs", name, x=lambda a, d=dtype: np.abs(3 * a).astype(d), variants=variants,
                  by_batch=True)  # fmt: skip
    some = np.linspace(0.2, 2.0, N).astype("float32")

    def arrays(convert):
        return lambda x, y, w: {"x": convert(x), "y": y, "sample_weight": w, "batch_size": BATCH}

    def each(convert):
        return arrays(lambda x: {name: convert(array) for name, array in x.items()})

    equal = {
        "tensors": each(keras.ops.convert_to_tensor),
        "Fortran order": each(np.asfortranarray),
        "strided": each(lambda a: np.repeat(a, 2, axis=0)[::2]),
        "unknown keys": arrays(lambda x: {"b": x["b"], "c": x["a"], **x}),
        "memmap": arrays(lambda x: on_disk("memmap", x)),
        "h5py": arrays(lambda x: on_disk("h5py", x)),
        "PyDataset": lambda *columns: {"x": Batches(*columns)},
        "PyDataset with workers": lambda *columns: {"x": Batches(*columns, workers=2)},
        "generator": _generator,
    }
    if pandas := _pandas():
        equal["DataFrame"] = each(pandas.DataFrame)
    if IS_TENSORFLOW:
        equal["tf.data"] = _tf_data
    if importlib.util.find_spec("grain"):
        equal["Grain"] = _grain
    for name, data in equal.items():
        weight = None if name in ("unknown keys", "tensors") else some
        # What holds the arrays does not meet every kind of model; these are the two extremes.
        yield Row("inputs", name, weight=weight, data=data, variants=[VARIANTS[0], VARIANTS[3]])

    def first(convert):
        return arrays(lambda x: {**x, "a": convert(x["a"])})

    def spoiled(value, on=None):
        def convert(x):
            x = {name: np.array(array) for name, array in x.items()}
            x["a"][0, 1] = value  # both modalities are there
            return on_disk(on, x) if on else x

        return arrays(convert)

    def cut(x, y, weight):
        return {"x": {name: array[:0] for name, array in x.items()}, "y": y[:0]}

    for name, data, pattern in [
        ("NaN", spoiled(np.nan), r'x\["a"\]: .*NaN in 1 of 12 samples.*number 0'),
        ("infinity", spoiled(np.inf), r'x\["a"\]: .*infinity in 1 of 12 samples'),
        ("NaN in a memmap", spoiled(np.nan, "memmap"), r'x\["a"\]: .*NaN in 1 of 12'),
        ("NaN in HDF5", spoiled(np.nan, "h5py"), r'x\["a"\]: .*NaN in 1 of 12'),
        ("list", first(lambda a: a.tolist()), r'x\["a"\]: expected an array.*list'),
        ("strings", first(lambda a: a.astype(str)), r'x\["a"\]: expected numbers'),
        ("complex", first(lambda a: a.astype("c8")), r'x\["a"\]: expected numbers'),
        ("dates", first(lambda a: np.zeros((N, 5), "M8[s]")), r'x\["a"\]: expected numbers'),
        ("None", first(lambda a: None), r'x\["a"\]: expected an array'),
        ("other width", first(lambda a: a[:, :4]), r'x\["a"\]: expected the shape'),
        ("too few", first(lambda a: a[:5]), "x: expected equally many samples"),
        ("no samples", cut, "x: expected at least one sample"),
        ("no dict", arrays(lambda x: [x["a"], x["b"]]), "x: expected a dict"),
        ("missing", arrays(lambda x: {"a": x["a"]}), r"x: .*without \['b'\]"),
    ]:
        yield Row("inputs", name, data=data, refused=pattern)
    yield Row("inputs", "present without missing modalities", variants=whole,
              data=arrays(lambda x: {**x, "present": np.ones((N, 2))}),
              refused="present: expected a model built with missing_modalities=True")  # fmt: skip


def _generator(*columns):
    batches = itertools.cycle([Batches(*columns)[i] for i in range(N // BATCH)])
    return {"x": (batch for batch in batches), "steps_per_epoch": N // BATCH}


def _tf_data(*columns):
    import tensorflow as tf

    columns = tuple(part for part in columns if part is not None)
    return {"x": tf.data.Dataset.from_tensor_slices(columns).batch(BATCH)}


def _grain(*columns):
    import grain

    columns = tuple(part for part in columns if part is not None)
    source = [keras.tree.map_structure(lambda a: a[i], columns) for i in range(N)]  # noqa: B023
    # Keras knows no end of it, and warns.
    return {"x": grain.MapDataset.source(source).batch(BATCH).repeat(), "steps_per_epoch": 3}


def arguments():
    """Numbers, names and flags of `fit` and `compile`."""
    yield Row("arguments", "two epochs", fit={"epochs": 2})
    yield Row("arguments", "validation_split", fit={"validation_split": 0.25})
    for fit, pattern in [
        ({"validation_split": 1.0}, "validation_split: .*1.0"),
        ({"validation_split": -0.1}, "validation_split: .*-0.1"),
        ({"validation_split": np.nan}, "validation_split: .*nan"),
        ({"validation_split": "0.1"}, "validation_split: .*'0.1'"),
        ({"epochs": -1}, "epochs: expected an int >= 0"),
        ({"epochs": 1.5}, "epochs: expected an int >= 0"),
        ({"initial_epoch": -1}, "initial_epoch: expected an int >= 0"),
        ({"steps_per_epoch": 0}, "steps_per_epoch: expected an int >= 1"),
        ({"validation_steps": 0}, "validation_steps: expected an int >= 1"),
        ({"validation_batch_size": 0}, "validation_batch_size: expected an int >= 1"),
        ({"validation_freq": 0}, "validation_freq: expected an int >= 1"),
    ]:
        yield Row("arguments", str(fit), fit=fit, refused=pattern)
    for size in (0, -4, 2.5, True):
        data = functools.partial(_with_batch_size, size)
        yield Row("arguments", f"batch_size {size}", data=data, refused="batch_size: expected an")
    for compile, pattern in [
        ({"loss": 3}, "loss: expected .*3"),
        ({"loss": "entropy"}, "loss: expected .*'entropy'"),
        ({"loss": ["mse", "mse", "mse"]}, "loss: expected one for all heads"),
        ({**SPARSE, "metrics": [3]}, "metrics: expected .*3"),
        ({**SPARSE, "metrics": ["exactness"]}, "metrics: expected .*'exactness'"),
        ({**SPARSE, "weighted_metrics": [3]}, "weighted_metrics: expected .*3"),
        ({**SPARSE, "optimizer": "climb"}, "optimizer: expected .*'climb'"),
        ({**SPARSE, "optimizer": 3}, "optimizer: expected .*3"),
    ]:
        yield Row("arguments", str(compile), compile=compile, refused=pattern)


def _with_batch_size(size, x, y, weight):
    return {"x": x, "y": y, "batch_size": size}


def _known(name):
    try:
        return keras.losses.get(name) is not None
    except ValueError:
        return False


def _pandas():
    return importlib.import_module("pandas") if importlib.util.find_spec("pandas") else None


ROWS = [*losses(), *heads(), *targets(), *weights(), *inputs(), *arguments()]


def rows():
    """All rows; slow ones, which run on TensorFlow alone, are all but the first of a kind."""
    kinds = set()
    for row in ROWS:
        marks = [pytest.mark.slow] if row.kind in kinds else []
        kinds.add(row.kind)
        yield pytest.param(row, id=f"{row.kind}-{row.name}".replace(" ", "_"), marks=marks)


@pytest.mark.parametrize("row", list(rows()))
def test_like_keras(row):
    for method, missing in row.variants:
        case = f"{method}, missing {missing}"
        if row.refused:
            model, _, weights = models(row.task, method, missing)
            with pytest.raises((ValueError, TypeError), match=row.refused):
                fused(row, method, missing)
            for variable, start in zip(model.weights, weights, strict=True):
                if variable.trainable:
                    found = keras.ops.convert_to_numpy(variable)
                    np.testing.assert_array_equal(found, start, case)
            continue
        found_losses, logs, predicted, trained = fused(row, method, missing)
        losses, expected, outputs, weights = plain(row, method, missing)
        assert found_losses == pytest.approx(losses, rel=1e-5, abs=1e-6), case
        assert logs == pytest.approx(expected, rel=1e-5, abs=1e-6), case
        for found, wanted in zip(trained, weights, strict=True):
            np.testing.assert_allclose(found, wanted, 1e-5, 1e-6, err_msg=case)
        for head in outputs:
            np.testing.assert_allclose(predicted[head], outputs[head], 1e-5, 1e-6, err_msg=case)

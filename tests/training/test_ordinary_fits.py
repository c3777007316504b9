"""fit_replicas with callbacks, with weights of classes, and with data that are not in memory."""

import keras
import numpy as np
import pytest
from helpers.tiny import labels, vector_net
from keras import layers

import keras_fusion as kf
from keras_fusion.training import fit_replicas

BACKEND = keras.backend.backend()
QUICK = {"run_eagerly": BACKEND == "tensorflow"}
SEEDS = [4, 1]


def compiled(model, loss="sparse_categorical_crossentropy"):
    model.compile(keras.optimizers.SGD(0.2, momentum=0.5), loss, metrics=["accuracy"], **QUICK)
    return model


def net(name="image"):
    inputs = keras.Input((5,))
    x = layers.BatchNormalization(momentum=0.5)(inputs)
    x = layers.Dropout(0.3)(layers.Dense(4, activation="tanh")(x))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x), name=name)


def plain():
    return compiled(net())


def gmu():
    return compiled(kf.build("gmu", {"image": net(), "sound": net("sound")}, fusion_units=3))


def data(build, count=10, seed=0):
    x = np.random.default_rng(seed).normal(size=(count, 5))  # float64, which Keras casts
    return (x if build is plain else {"image": x, "sound": x[:, ::-1]}), labels(count, seed=seed)


def nothing():
    return [keras.callbacks.Callback()]


def values(model):
    return [keras.ops.convert_to_numpy(v) for v in (*model.weights, *model.optimizer.variables)]


def assert_same(found, expected):
    assert found.seeds == expected.seeds and found.trained.tolist() == expected.trained.tolist()
    assert found.best_epochs.tolist() == expected.best_epochs.tolist()
    assert set(found.history) == set(expected.history)
    for name, rows in expected.history.items():
        np.testing.assert_allclose(found.history[name], rows, rtol=1e-5, atol=1e-6, err_msg=name)
    for k in range(len(found)):
        for a, b in zip(values(found.replica(k)), values(expected.replica(k)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


class OnDisk:
    """Rows in increasing order, as HDF5 has them, and never all of them."""

    def __init__(self, array):
        self._array, self.shape, self.dtype = array, array.shape, array.dtype

    ndim = property(lambda self: len(self.shape))

    def __len__(self):
        return len(self._array)

    def __getitem__(self, rows):
        rows = np.arange(len(self))[rows] if isinstance(rows, slice) else rows
        assert len(rows) <= 4 and (np.diff(rows) > 0).all()
        return self._array[rows]

    def __array__(self, *args, **kwargs):
        raise AssertionError("read as a whole")


def new_file(folder):
    return folder / f"array_{len(list(folder.iterdir()))}"


def memmap(array, folder):
    found = np.memmap(new_file(folder), array.dtype, "w+", shape=array.shape)
    found[:] = array
    return found


def hdf5(array, folder):
    h5py = pytest.importorskip("h5py")
    file = h5py.File(new_file(folder), "w")
    return file.create_dataset("x", data=array)


@pytest.mark.slow
@pytest.mark.parametrize("build", [plain, gmu])
@pytest.mark.parametrize("kind", ["callback", "memory map", "HDF5", "rows"])
def test_the_same_as_in_one_program(build, kind, tmp_path, capsys):
    x, y = data(build)
    arguments = {
        "seeds": SEEDS,
        "epochs": 3,
        "batch_size": 4,
        "validation_data": data(build, 6, seed=3),
        "sample_weight": np.linspace(0.5, 2, len(y)),
        "learning_rate": lambda epoch: [0.1 / (epoch + 1), 0.2],
        "shuffle": kind != "memory map",
        "early_stopping": keras.callbacks.EarlyStopping("loss", 10.0, 1),  # after 2 epochs
    }
    expected = fit_replicas(build, x, y, **arguments)
    assert expected.trained.tolist() == [2, 2]
    capsys.readouterr()
    if kind == "callback":
        arguments["callbacks"] = nothing
    else:
        make = {"memory map": memmap, "HDF5": hdf5, "rows": lambda array, folder: OnDisk(array)}
        on_disk = lambda array: make[kind](np.ascontiguousarray(array), tmp_path)  # noqa: E731
        x = keras.tree.map_structure(on_disk, x)
        vx, vy = arguments["validation_data"]
        arguments["validation_data"] = (keras.tree.map_structure(on_disk, vx), vy)
    found = fit_replicas(build, x, y, **arguments)
    assert_same(found, expected)
    assert f"on {BACKEND} replicas are trained one after the other" in capsys.readouterr().err


def by_hand(build, make, seed, **arguments):
    keras.utils.set_random_seed(seed)
    model = build()
    history = model.fit(make(), verbose=0, shuffle=False, **arguments)
    return model, history.history


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self._x, self._y = x, y

    def __len__(self):
        return 2

    def __getitem__(self, index):
        rows = slice(index * 5, index * 5 + 5)
        return keras.tree.map_structure(lambda a: np.float32(a[rows]), self._x), self._y[rows]


def tf_data(x, y):
    import tensorflow as tf

    x = keras.tree.map_structure(np.float32, x)
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(4)


def torch_loader(x, y):
    import torch

    pairs = [
        (keras.tree.map_structure(lambda a, i=i: np.float32(a[i]), x), y[i]) for i in range(len(y))
    ]
    return torch.utils.data.DataLoader(pairs, batch_size=4)


DATA_SETS = [
    Batches,
    lambda x, y: kf.datasets.as_pydataset((keras.tree.map_structure(np.float32, x), y), 4, seed=3),
    {"tensorflow": tf_data, "torch": torch_loader, "jax": Batches}[BACKEND],
]


@pytest.mark.slow
@pytest.mark.parametrize("make", DATA_SETS)
def test_data_sets(make):
    x, y = data(gmu)
    weights = {0: 2.0, 2: 0.5}
    arguments = {"epochs": 2, "validation_data": make(*data(gmu, seed=5))}
    if make is not torch_loader:  # Keras takes none with those
        arguments["class_weight"] = weights
    found = fit_replicas(gmu, make(x, y), None, SEEDS, shuffle=False, **arguments)
    scores = found.evaluate(arguments["validation_data"])
    np.testing.assert_allclose(scores["loss"], found.final("val_loss"), rtol=1e-5)
    if BACKEND == "torch":  # whose dropout is seeded for every epoch
        return
    for k, seed in enumerate(SEEDS):
        model, history = by_hand(gmu, lambda: make(x, y), seed, **arguments)
        for name, rows in history.items():
            np.testing.assert_allclose(found.history[name][k], rows, rtol=1e-5, err_msg=name)
        for a, b in zip(values(found.replica(k)), values(model), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_order_of_a_data_set_begins_anew_with_a_plain_model():
    x, y = data(gmu)
    batches = kf.datasets.as_pydataset((x, y), 4, seed=3)

    def build():
        inputs = {name: keras.Input((5,), name=name) for name in x}
        joined = layers.Concatenate()(list(inputs.values()))
        return compiled(keras.Model(inputs, layers.Dense(3, activation="softmax")(joined)))

    both = fit_replicas(build, batches, None, SEEDS, epochs=2)
    alone = fit_replicas(build, batches, None, SEEDS[1:], epochs=2)
    np.testing.assert_allclose(both.history["loss"][1:], alone.history["loss"], rtol=1e-5)


@pytest.mark.parametrize("shape", ["(n,)", "(n, 1)", "one-hot"])
@pytest.mark.parametrize("with_samples", [False, True])
def test_class_weight(shape, with_samples):
    x, y = data(plain, 12)
    y = {"(n,)": y, "(n, 1)": y[:, None].astype("float32"), "one-hot": np.eye(3)[y]}[shape]
    weights = {0: 3.0, np.int64(2): 0.25}  # class 1 weighs 1
    of_samples = np.linspace(0.5, 2, len(y)).astype("float32") if with_samples else None

    def build():
        loss = ("" if shape == "one-hot" else "sparse_") + "categorical_crossentropy"
        return compiled(vector_net(), loss)

    options = {"epochs": 2, "batch_size": 4, "shuffle": False}
    found = fit_replicas(
        build, x, y, [4], class_weight=weights, sample_weight=of_samples, **options
    )
    keras.utils.set_random_seed(4)
    model = build()
    if with_samples:  # Keras does not take both
        classes = y.argmax(axis=1) if shape == "one-hot" else y.reshape(-1)
        of_classes = np.array([{0: 3.0, 2: 0.25}.get(int(label), 1.0) for label in classes])
        history = model.fit(x, y, sample_weight=of_classes * of_samples, verbose=0, **options)
    else:
        history = model.fit(x, y, class_weight={0: 3.0, 2: 0.25}, verbose=0, **options)
    np.testing.assert_allclose(found.history["loss"][0], history.history["loss"], rtol=1e-5)
    for a, b in zip(values(found.replica(0)), values(model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_new_callbacks_for_every_replica():
    x, y = data(plain)
    made = []

    def callbacks():
        made.append(keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=10.0))
        return made[-1:]

    found = fit_replicas(plain, x, y, SEEDS, epochs=3, batch_size=4, callbacks=callbacks, verbose=1)
    assert len(made) == len(SEEDS) and made[0].model is not made[1].model
    # What it does to a model is not left to the next one.
    np.testing.assert_allclose(found.history["learning_rate"], [[0.2, 0.2, 0.02]] * 2, rtol=1e-5)


@pytest.mark.parametrize("restore", [False, True])
def test_early_stopping_of_every_replica(restore):
    x, y = data(plain)
    stopping = keras.callbacks.EarlyStopping(
        "loss", mode="max", patience=1, restore_best_weights=restore
    )
    found = fit_replicas(
        plain, x, y, SEEDS, epochs=9, callbacks=nothing, learning_rate=0.02, early_stopping=stopping
    )
    assert found.history["loss"].shape[1] < 9
    assert stopping.model is None  # a copy was used
    expected = fit_replicas(
        plain, x, y, SEEDS, epochs=9, learning_rate=0.02, early_stopping=stopping
    )
    assert found.best_epochs.tolist() == expected.best_epochs.tolist()
    np.testing.assert_allclose(found.final("loss"), expected.final("loss"), rtol=1e-5)
    for a, b in zip(found.models(), expected.models(), strict=True):
        for value, other in zip(a[1].get_weights(), b[1].get_weights(), strict=True):
            np.testing.assert_allclose(value, other, rtol=1e-4, atol=1e-5)


class Cut(BaseException):
    """Ends a program where nobody expects it."""


@pytest.mark.slow
@pytest.mark.parametrize("build", [plain, gmu])
def test_goes_on_where_it_stopped(build, tmp_path):
    x, y = data(build)
    cuts = [(1, 2)]  # the second replica, in the third epoch

    def callbacks():
        number = len(count)
        count.append(0)

        def cut(epoch, logs):
            if (number, epoch) in cuts:
                cuts.clear()
                raise Cut

        return [keras.callbacks.LambdaCallback(on_epoch_begin=cut)]

    arguments = {"epochs": 4, "batch_size": 4, "callbacks": callbacks}
    count = []
    with pytest.raises(Cut):
        fit_replicas(build, x, y, SEEDS, backup_dir=tmp_path, **arguments)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["replica_1", "replica_4"]
    for _ in range(2):  # the second time, nothing is left to do
        found = fit_replicas(build, x, y, SEEDS, backup_dir=tmp_path, **arguments)
        assert_same(found, fit_replicas(build, x, y, SEEDS, **arguments))


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"callbacks": nothing()}, TypeError, "carry what they know from seed to seed.*list"),
        ({"callbacks": lambda: 3}, TypeError, "returns a list of keras.callbacks.*Received: 3"),
        ({"callbacks": keras.callbacks.History}, TypeError, "returns a list of keras.callbacks"),
        ({"callbacks": lambda made=nothing(): made}, ValueError, "new callbacks at every call"),  # noqa: B008
        ({"x": iter([1])}, TypeError, "x: expected data that every replica can read"),
        ({"x": 3}, TypeError, "x: expected arrays, dicts of arrays, or a data set.*int"),
        ({"x": Batches(1, 2)}, ValueError, "y: expected None, as the batches of a data set"),
        ({"x": Batches(1, 2), "y": None, "sample_weight": 3}, ValueError, "sample_weight: expec"),
        ({"validation_data": iter([1])}, TypeError, "validation_data: expected data that every"),
        ({"class_weight": [1, 2]}, TypeError, "class_weight: expected a dict.*Received: list"),
        ({"class_weight": {"a": 1}}, ValueError, "class_weight: expected.*as keys. Received: 'a'"),
        ({"class_weight": {3: 1}}, ValueError, "ints from 0 to 2 as keys. Received: 3"),
        ({"class_weight": {0: -1}}, ValueError, "class_weight: expected floats >= 0. Received: -1"),
        ({"class_weight": {0: 1}, "y": {"a": 1}}, TypeError, "class_weight: expected one array"),
        ({"class_weight": {0: 1}, "y": np.full(10, 0.5)}, ValueError, "y to be class indices"),
        ({"class_weight": {0: 1}, "y": np.ones((10, 3))}, ValueError, "y to be class indices"),
        (
            {"callbacks": nothing, "early_stopping": keras.callbacks.EarlyStopping("val_loss")},
            ValueError,
            r"monitor= to be one of \['accuracy', 'loss'\]",
        ),
    ],
)
def test_errors(arguments, error, match):
    x, y = data(plain)
    with pytest.raises(error, match=match):
        fit_replicas(**{"build": plain, "x": x, "y": y, "seeds": SEEDS, **arguments})


def test_nan_on_disk_is_found_in_its_batch():
    x, y = data(gmu)
    x["image"] = np.array(x["image"])
    x["image"][7, 1] = np.nan
    x = keras.tree.map_structure(OnDisk, x)
    # TensorFlow's pipeline makes an error of its own of it, with the text of ours.
    with pytest.raises(
        Exception, match=r'x\["image"\]: expected finite .*NaN in 1 of 4 .*number 7'
    ):
        fit_replicas(gmu, x, y, SEEDS[:1], epochs=1, batch_size=4, shuffle=False)

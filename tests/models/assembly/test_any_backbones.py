"""Networks of every kind, two and three together, through `build_centralnet(backbones)` alone.

Each pair is built, saved and read again, exported, and trained for one step that has to reach
every trainable weight. Nothing is said to the builder but what headless networks need. The large
networks run on TensorFlow only: their graphs are the same everywhere, and what a step does to
layers of every kind is tested with the small ones on all backends. Some of them are neither saved
nor exported, which would be more of the same.
"""

import gc

import keras
import numpy as np
import pytest
from helpers.tiny import BATCH, compiled, labels, outputs, reloaded, text_net
from keras import layers

import keras_fusion as kf
from keras_fusion import backbones

CLASSES = 5
CLIP = (4, 32, 32, 3)


def application(name, size=32, **arguments):
    """As people have them: without the top, weights at random."""
    network = getattr(keras.applications, name)
    return network(weights=None, include_top=False, input_shape=(size, size, 3), **arguments)


def classifier(name):
    """A network of keras.applications inside a Sequential with a head of the user's own."""
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Rescaling(1 / 255),
            application(name),
            layers.GlobalAveragePooling2D(),
            layers.Dense(8, activation="relu"),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def video():
    """Convolutions in space and time."""
    inputs = x = keras.Input((4, 16, 16, 1))
    for filters in (4, 6):
        x = layers.Conv3D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling3D((1, 2, 2))(x)
    x = layers.GlobalAveragePooling3D()(x)
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x))


def transformer():
    """Attention over the steps of a sequence, twice."""
    inputs = x = keras.Input((6, 4))
    for _ in range(2):
        attended = layers.MultiHeadAttention(2, 2)(x, x)
        x = layers.LayerNormalization()(layers.Add()([x, attended]))
        hidden = layers.Dense(4)(layers.Dense(8, activation="gelu")(x))
        x = layers.LayerNormalization()(layers.Add()([x, hidden]))
    return keras.Model(inputs, x)


def small(name, **arguments):
    """One of this package's networks, small, with a prediction."""
    shapes = {
        "lenet5": (16, 16, 1),
        "audio_cnn": (32, 32, 1),
        "depth_cnn": (32, 32, 1),
        "mlp": 7,
        "gru": (6, 4),
        "lstm": (9, 3),
        "cnn_1d": (16, 2),
        "text_encoder": 20,
    }
    return getattr(backbones, name)(shapes[name], num_classes=CLASSES, **arguments)


HEADLESS = {"num_classes": CLASSES}
# Of every case: the networks, what headless ones need, and the shapes at which they meet.
LARGE = {
    "VGG16 and ResNet50": (
        lambda: (application("VGG16"), application("ResNet50")),
        HEADLESS,
        ["32x32x3", "8x8x64", "8x8x256", "4x4x512", "2x2x1024", "1x1x1024"],
    ),
    "MobileNetV3 and an audio CNN": (
        lambda: (application("MobileNetV3Small"), small("audio_cnn")),
        HEADLESS,
        ["16x16x16", "8x8x72", "4x4x96", "2x2x288", "1024"],
    ),
    "EfficientNet and an MLP": (
        lambda: (application("EfficientNetB0"), small("mlp")),
        HEADLESS,
        ["1024"],
    ),
    "a video ResNet and an audio CNN": (
        lambda: (backbones.inflated_resnet50(CLIP), small("audio_cnn")),
        HEADLESS,
        ["8x8x64", "8x8x256", "4x4x512", "2x2x1024", "1024"],
    ),
    "DenseNet and a 1-D CNN": (
        lambda: (application("DenseNet121"), small("cnn_1d")),
        HEADLESS,
        ["512", "1024"],
    ),
    "Xception and recurrent units": (
        lambda: (application("Xception", 71), small("gru")),
        HEADLESS,
        ["1024"],
    ),
    "ConvNeXt and text": (
        lambda: (application("ConvNeXtTiny"), small("text_encoder")),
        HEADLESS,
        ["384", "768"],
    ),
    "MobileNetV2 in a Sequential and LeNet5": (
        lambda: (classifier("MobileNetV2"), small("lenet5")),
        {},
        ["2x2x576", "1x1x1024", "1024"],
    ),
    "NASNet and a transformer": (
        lambda: (application("NASNetMobile"), transformer()),
        HEADLESS,
        ["264", "528", "1024"],
    ),
    "Inception, ResNetV2 and a depth CNN": (
        lambda: (application("InceptionV3", 75), application("ResNet50V2"), small("depth_cnn")),
        HEADLESS,
        ["8x8x64", "7x7x256", "4x4x512", "2x2x1024", "1024"],
    ),
}
# Plain, with blocks of many kinds, with classes of their own, and a model inside a model.
WHOLE = {
    "VGG16 and ResNet50",
    "MobileNetV3 and an audio CNN",
    "ConvNeXt and text",
    "MobileNetV2 in a Sequential and LeNet5",
}
SMALL = {
    "image and vector": (lambda: (small("lenet5"), small("mlp")), {}, ["1024"]),
    "video and image": (lambda: (video(), small("lenet5")), {}, ["4x4x64", "1024"]),
    "two sequences of other lengths": (
        lambda: (small("gru", units=(4, 5)), small("lstm", units=(5, 4))),
        {},
        ["6x5", "5"],
    ),
    "text and table": (lambda: (small("text_encoder"), small("mlp")), {}, ["128"]),
    "two inputs and an image": (
        lambda: (text_net(classes=CLASSES), small("lenet5")),
        {},
        ["1024"],
    ),
    "transformer and waves": (
        lambda: (transformer(), small("cnn_1d")),
        HEADLESS,
        ["6x64", "4x128"],
    ),
    "sequence, sequence and vector": (
        lambda: (small("cnn_1d"), small("lstm"), small("mlp")),
        {},
        ["128"],
    ),
    "image, audio and text": (
        lambda: (small("lenet5"), small("audio_cnn"), small("text_encoder")),
        {},
        ["64", "1024"],
    ),
}


# JAX compiles for minutes: one of every kind of tensor there.
ON_JAX = ["video and image", "two sequences of other lengths", "transformer and waves"]


def data(model):
    """Random values of the right kind for every input; texts without padding but at the end."""
    rng = np.random.default_rng(0)

    def values(tensor):
        shape = (BATCH, *(5 if size is None else size for size in tensor.shape[1:]))
        if "int" in tensor.dtype:
            return rng.integers(1, 9, shape)
        return rng.normal(size=shape).astype("float32")

    return keras.tree.map_structure(values, dict(model.input))


def built(build, arguments, levels):
    keras.utils.set_random_seed(0)
    model = kf.build_centralnet(list(build()), **arguments)
    assert list(model.fusion_levels.values()) == [*levels, "prediction"]
    return model


def check(build, arguments, levels, folder, tensorflow, export=kf.export_saved_model):
    model = built(build, arguments, levels)
    x, y = data(model), labels(classes=CLASSES)
    before = outputs(model, x)
    loaded = reloaded(model, folder)
    for head, found in outputs(loaded, x).items():
        np.testing.assert_allclose(found, before[head], atol=1e-5, err_msg=head)
    del loaded
    if tensorflow:
        export(model, folder / "served")
        served = tensorflow.saved_model.load(str(folder / "served"))
        flat = {
            tensor.name: tensorflow.constant(value, tensor.dtype)
            for tensor, value in zip(
                keras.tree.flatten(dict(model.input)), keras.tree.flatten(x), strict=True
            )
        }
        central = served.signatures["serving_default"](**flat)["central"]
        np.testing.assert_allclose(central, before["central"], atol=1e-5)
    check_step(model, x, y)


def check_step(model, x, y, **arguments):
    # So large a rate that no gradient is lost in rounding; a second step would make no sense.
    compiled(model, keras.optimizers.SGD(1e4), **arguments)
    start = [keras.ops.convert_to_numpy(w).copy() for w in model.trainable_weights]
    history = model.fit(x, y, batch_size=BATCH, epochs=1, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values()), history
    still = [
        weight.path
        for weight, old in zip(model.trainable_weights, start, strict=True)
        if np.array_equal(old, keras.ops.convert_to_numpy(weight)) and not _is_key_bias(weight)
    ]
    assert still == []


def _is_key_bias(weight):
    """Attention does not depend on the bias of its keys."""
    return weight.path.endswith("key/bias")


@pytest.mark.slow
@pytest.mark.parametrize("case", ON_JAX if keras.backend.backend() == "jax" else SMALL)
def test_small_networks(case, tmp_path):
    tensorflow = None
    if keras.backend.backend() == "tensorflow":
        import tensorflow
    check(*SMALL[case], tmp_path, tensorflow)


@pytest.mark.slow
@pytest.mark.parametrize("case", LARGE)
def test_large_networks(case, tmp_path):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("large networks run on TensorFlow only")
    import tensorflow

    if case in WHOLE:
        # All signatures are traced and tried with the small ones: here one, as Keras writes it.
        check(*LARGE[case], tmp_path, tensorflow, lambda m, path: m.export(path, verbose=False))
    else:
        model = built(*LARGE[case])
        x = data(model)
        np.testing.assert_allclose(outputs(model, x)["central"].sum(axis=-1), 1, rtol=1e-5)
        # Operation by operation: for one step a graph would take longer.
        check_step(model, x, labels(classes=CLASSES), run_eagerly=True)
    gc.collect()


@pytest.mark.slow
def test_six_views_of_a_digit(tmp_path):
    try:
        (x, y), _, _ = kf.datasets.mfeat.load_data().values()
    except FileNotFoundError as error:
        pytest.skip(f"needs the data set mfeat: {error}")
    nets = {name: backbones.mlp(views.shape[1], (8,), 10) for name, views in x.items()}
    model = kf.build_centralnet(nets)
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    few = {name: views[:200] for name, views in x.items()}
    history = model.fit(few, y[:200], epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all() and len(model.fusion_weights()["level_0"]) == 6

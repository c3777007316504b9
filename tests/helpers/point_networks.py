"""Networks of many kinds whose fusion points are known."""

import keras
from keras import Sequential, layers

from keras_fusion.backbones import lenet5


def lenet():
    return lenet5()


def vgg_like():
    """A headless block network, as those of keras.applications without their top."""
    inputs = x = keras.Input((16, 16, 3))
    for i, filters in enumerate((2, 3), start=1):
        for j in (1, 2):
            x = layers.Conv2D(filters, 3, padding="same", name=f"block{i}_conv{j}")(x)
        x = layers.MaxPooling2D(2, name=f"block{i}_pool")(x)
    return keras.Model(inputs, x, name="vgg")


def sequential():
    return Sequential(
        [
            keras.Input((12, 12, 1), name="picture"),
            layers.Conv2D(2, 3, strides=2, padding="same", name="first"),
            layers.ReLU(name="first_relu"),
            layers.Conv2D(4, 3, strides=2, padding="same", name="second"),
            layers.GlobalMaxPooling2D(name="top"),
            layers.Dense(5, name="hidden"),
            layers.ReLU(name="hidden_relu"),
            layers.Dense(2, activation="softmax", name="out"),
        ]
    )


def nested():
    return Sequential(
        [
            keras.Input((16, 16, 3), name="picture"),
            layers.Rescaling(1 / 255, name="scale"),
            vgg_like(),
            layers.GlobalAveragePooling2D(name="mean"),
            layers.Dense(6, activation="relu", name="hidden"),
            layers.Dense(3, activation="softmax", name="out"),
        ]
    )


def nested_twice():
    inner = Sequential([keras.Input((16, 16, 3)), vgg_like()], name="inner")
    inputs = keras.Input((16, 16, 3), name="picture")
    x = layers.GlobalAveragePooling2D(name="mean")(inner(inputs))
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid", name="out")(x))


def separate_activation(last):
    def build():
        x = inputs = keras.Input((5,), name="vector")
        x = layers.Dense(4, name="hidden")(x)
        x = layers.Activation("relu", name="hidden_relu")(x)
        x = layers.Dense(3, name="logits")(x)
        return keras.Model(inputs, last(x))

    return build


def residual():
    inputs = x = keras.Input((8, 8, 1), name="picture")
    x = layers.Conv2D(2, 3, padding="same", name="stem")(x)
    for i, (filters, strides) in enumerate([(2, 1), (4, 2)]):
        short = x
        if strides > 1:
            short = layers.Conv2D(filters, 1, strides=strides, name=f"short{i}")(x)
        x = layers.Conv2D(filters, 3, strides=strides, padding="same", name=f"conv{i}a")(x)
        x = layers.ReLU(name=f"relu{i}")(x)
        x = layers.Conv2D(filters, 3, padding="same", name=f"conv{i}b")(x)
        x = layers.Add(name=f"add{i}")([x, short])
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="out")(x))


def recurrent():
    return Sequential(
        [
            keras.Input((9, 4), name="series"),
            layers.LSTM(5, return_sequences=True, name="lower"),
            layers.Bidirectional(layers.GRU(3), name="upper"),
            layers.Dense(2, activation="softmax", name="out"),
        ]
    )


def waves():
    return Sequential(
        [
            keras.Input((16, 2), name="wave"),
            layers.Conv1D(3, 3, padding="same", name="conv1"),
            layers.AveragePooling1D(2, name="pool1"),
            layers.Conv1D(4, 3, strides=2, padding="same", name="conv2"),
            layers.GlobalAveragePooling1D(name="mean"),
            layers.Dense(2, activation="softmax", name="out"),
        ]
    )


def text():
    return Sequential(
        [
            keras.Input((8,), dtype="int32", name="words"),
            layers.Embedding(20, 4, name="embedding"),
            layers.GlobalAveragePooling1D(name="mean"),
            layers.Dense(3, activation="relu", name="hidden"),
            layers.Dense(2, activation="softmax", name="out"),
        ]
    )


def padded():
    """The zeros and the strided convolution of ResNet's stem, and a rim cut off by "valid"."""
    return Sequential(
        [
            keras.Input((9, 9, 1), name="picture"),
            layers.Conv2D(2, 3, name="valid"),
            layers.ZeroPadding2D(1, name="zeros"),
            layers.Conv2D(3, 3, strides=2, name="strided"),
            layers.Flatten(name="flat"),
            layers.Dense(2, activation="softmax", name="out"),
        ]
    )


def normalized_input():
    return Sequential(
        [
            keras.Input((4,), name="vector"),
            layers.Normalization(mean=0.0, variance=1.0, name="standard"),
            layers.Dense(3, activation="relu", name="hidden"),
            layers.BatchNormalization(name="norm"),
            layers.Dense(2, activation="sigmoid", name="out"),
        ]
    )


def masked_text():
    """Zeros are padding: the mask goes around every layer, but carries nothing."""
    return Sequential(
        [
            keras.Input((8,), dtype="int32", name="words"),
            layers.Embedding(20, 4, mask_zero=True, name="embedding"),
            layers.LSTM(5, return_sequences=True, name="recurrent"),
            layers.GlobalAveragePooling1D(name="mean"),
            layers.Dense(2, activation="softmax", name="out"),
        ]
    )


def encoder_block(x, mask, name):
    attended = layers.MultiHeadAttention(2, 2, name=f"{name}_attention")(x, x, attention_mask=mask)
    x = layers.LayerNormalization(name=f"{name}_norm1")(layers.Add()([x, attended]))
    hidden = layers.Dense(8, activation="relu", name=f"{name}_dense1")(x)
    hidden = layers.Dense(4, name=f"{name}_dense2")(hidden)
    return layers.LayerNormalization(name=f"{name}_norm2")(layers.Add()([x, hidden]))


def transformer(structure=dict):
    """Two inputs; the padding mask goes into every block, and its float form as well."""
    words = keras.Input((8,), dtype="int32", name="words")
    padding = keras.Input((8,), dtype="int32", name="padding")
    x = layers.Embedding(20, 4, name="embedding")(words)
    mask = keras.ops.cast(keras.ops.expand_dims(padding, 1), "bool")
    for i in range(2):
        x = encoder_block(x, mask, f"block{i}")
    kept = keras.ops.expand_dims(keras.ops.cast(padding, "float32"), -1)
    x = layers.Multiply(name="kept")([x, kept])
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    x = layers.Dense(3, activation="softmax", name="out")(x)
    inputs = {"padding": padding, "words": words}
    return keras.Model(inputs if structure is dict else list(inputs.values()), x)


class EncoderLayer(layers.Layer):
    """A block that is one layer, as in KerasHub."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(4)

    def call(self, x):
        return self.dense(x)


def blocks():
    return Sequential(
        [
            keras.Input((6, 4), name="series"),
            EncoderLayer(name="block0"),
            EncoderLayer(name="block1"),
            layers.GlobalMaxPooling1D(name="top"),
            layers.Dense(2, activation="softmax", name="out"),
        ]
    )


def two_outputs():
    """Words and what they are pooled to: the second is made of the first."""
    inputs = keras.Input((6, 4), name="series")
    words = layers.GRU(3, return_sequences=True, name="words")(inputs)
    pooled = layers.Dense(2, activation="tanh", name="pooled")(layers.Flatten()(words))
    return keras.Model(inputs, {"pooled": pooled, "words": words})


def logits_of_a_convolution():
    """MobileNetV3 ends so: the last convolution makes the logits."""
    return Sequential(
        [
            keras.Input((8, 8, 1), name="picture"),
            layers.Conv2D(2, 3, strides=2, padding="same", name="conv"),
            layers.GlobalAveragePooling2D(keepdims=True, name="mean"),
            layers.Conv2D(5, 1, activation="relu", name="hidden"),
            layers.Conv2D(3, 1, name="logits"),
            layers.Flatten(name="flat"),
            layers.Softmax(name="soft"),
        ]
    )


def crossed():
    """Every cell reads the two cells before it, as in NASNet, so that nothing can be cut."""
    inputs = keras.Input((16, 16, 1), name="picture")
    x = layers.Conv2D(2, 3, padding="same", name="stem")(inputs)
    before = x
    for i, stride in enumerate((1, 2, 1, 2, 2)):
        reads = [layers.Conv2D(2 + i, 3, strides=stride, padding="same", name=f"cell{i}_a")(x)]
        step = before.shape[1] // reads[0].shape[1]
        reads.append(layers.Conv2D(2 + i, 1, strides=step, name=f"cell{i}_b")(before))
        halves = [layers.Conv2D(1, 1, name=f"cell{i}_{half}")(before) for half in "cd"]
        narrow = layers.Concatenate(name=f"cell{i}_narrow")(halves)  # after the cell it is made of
        narrow = layers.Conv2D(2, 1, strides=step, name=f"cell{i}_e")(narrow)
        before, x = x, layers.Concatenate(name=f"cell{i}")([*reads, narrow])
    x = layers.Add(name="both")(
        [
            layers.Conv2D(4, 1, name=f"end{i}")(t)
            for i, t in enumerate([x, layers.AveragePooling2D(2, name="half")(before)])
        ]
    )
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(2, activation="softmax", name="out")(x))


class Declared(keras.Model):
    """A model that says which tensors its levels are, as KerasHub's backbones do."""

    def __init__(self):
        inputs = keras.Input((16, 16, 1), name="picture")
        x, self_levels = inputs, {}
        for i in range(4):
            x = layers.Conv2D(2, 3, strides=2, padding="same", name=f"conv{i}")(x)
            if i in (1, 2):
                self_levels[f"P{i + 1}"] = x
            x = layers.ReLU(name=f"relu{i}")(x)
        super().__init__(inputs, x, name="declared")
        self.pyramid_outputs = self_levels


def declared():
    inputs = keras.Input((16, 16, 1), name="outer")
    x = layers.GlobalAveragePooling2D(name="mean")(Declared()(inputs))
    return keras.Model(inputs, layers.Dense(2, activation="softmax", name="out")(x))

"""The CentralNet of Multimodal MNIST written by hand in plain Keras: what keras_fusion replaces.

Table 1 and Eq. (3) of Vielzeuf et al. (2018), CentralNet. Deliberately without keras_fusion.
"""

import keras
from keras import layers

MODALITIES = ("image_a", "image_b")
STREAMS = (*MODALITIES, "central")
PARTS = ("conv1", "conv1_bn", "conv2", "conv2_bn", "dense", "dense_bn", "prediction")


class WeightedSum(layers.Layer):
    """Eq. (3): the modalities' terms share a factor, the last weight."""

    def build(self, modalities_shape, central_shape=None):
        sources = len(modalities_shape) + (central_shape is not None)
        start = keras.ops.array([1 / sources] * sources + [1.0])
        self.alpha = self.add_weight(
            shape=(sources + 1,), initializer=lambda shape, dtype: keras.ops.cast(start, dtype)
        )

    def call(self, modalities, central=None):
        factors = self.alpha * self.alpha[-1]
        total = factors[0] * modalities[0]
        for k, hidden in enumerate(modalities[1:], start=1):
            total = total + factors[k] * hidden
        return total if central is None else total + self.alpha[len(modalities)] * central


def convolution(x, filters, name):
    x = layers.Conv2D(filters, 5, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return layers.MaxPooling2D(2)(layers.ReLU()(x))


def dense(x, name):
    x = layers.Dense(1024, use_bias=False, name=name)(layers.Flatten()(x))
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return layers.Dropout(0.5)(layers.ReLU()(x))


BLOCKS = (
    lambda x, stream: convolution(x, 32, f"{stream}_conv1"),
    lambda x, stream: convolution(x, 64, f"{stream}_conv2"),
    lambda x, stream: dense(x, f"{stream}_dense"),
    lambda x, stream: layers.Dense(10, name=f"{stream}_prediction")(x),
)


def centralnet():
    """The network, not compiled; inputs and outputs named as keras_fusion's."""
    inputs = {name: keras.Input((28, 28, 1), name=name) for name in MODALITIES}
    hidden, central = inputs, None
    for level, block in enumerate(BLOCKS):
        sources = [hidden[name] for name in MODALITIES]
        weighted = WeightedSum(name=f"sum_{level}")
        fused = weighted(sources) if central is None else weighted(sources, central)
        central = block(fused, "central")
        hidden = {name: block(hidden[name], name) for name in MODALITIES}
    logits = WeightedSum(name="sum_4")([hidden[name] for name in MODALITIES], central)
    outputs = {
        name: layers.Softmax(name=f"{name}_head")(tensor)
        for name, tensor in {"central": logits, **hidden}.items()
    }
    return keras.Model(inputs, outputs)


def compile_it(model):
    """One loss and one metric for each head, as keras_fusion does with a single one."""
    model.compile(
        keras.optimizers.Adam(1e-3),
        loss={name: "sparse_categorical_crossentropy" for name in STREAMS},
        metrics={name: ["accuracy"] for name in STREAMS},
    )
    return model


def layers_in_order(model):
    """Its layers with weights: those of `STREAMS` one after the other, then the sums."""
    names = [f"{stream}_{part}" for stream in STREAMS for part in PARTS]
    return [model.get_layer(name) for name in [*names, *(f"sum_{i}" for i in range(5))]]

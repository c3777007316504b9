"""A fusion method of your own: compared, searched, saved and exported like any other.

python examples/own_method.py             # digits in two views, no download; about two minutes
"""

import keras

import keras_fusion as kf


@kf.fusion_method("peak", "largest feature of all modalities", space={"dropout": [0.0, 0.2, 0.5]})
def build_peak(backbones, *, dropout=0.2, num_classes=None, missing_modalities=False, name="peak"):
    parts = kf.models.FusionBuilder(
        backbones, num_classes, missing_modalities=missing_modalities, name=name
    )
    fused = parts.fuse(keras.layers.Maximum(name="fusion_0"), parts.features())
    return parts.finish(parts.logits(fused, dropout))


def backbones():
    return {view: kf.backbones.lenet5((8, 8, 1), dropout=0.2) for view in ("image_a", "image_b")}


def compiled(method):
    model = kf.build(method, backbones())
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


data = kf.datasets.mm_digits.load_data()
methods = {method: lambda method=method: compiled(method) for method in ("concat", "peak")}
print(kf.evaluation.compare(methods, data, seeds=[0, 1, 2], epochs=4))

search = kf.tuning.make_tuner(kf.tuning.FusionHyperModel("peak", backbones), max_trials=2)
search.search(*data["train"], validation_split=0.2, epochs=2, verbose=0)
best = search.get_best_models()[0]
best.save("peak.keras")
print(kf.export(keras.models.load_model("peak.keras"), "peak/1", verbose=False))

"""FusionLayer: what every fusion layer refuses, what is taken out, and a layer of a user's own."""

import keras
import numpy as np
import pytest
from conformance import all_cases, make, on_arrays, to_numpy

from keras_fusion import layers
from keras_fusion.layers import FusionLayer

# One row for each of them.
FUSIONS = {c.layer: c for c in all_cases() if issubclass(c.layer, FusionLayer)}
every_fusion = pytest.mark.parametrize("case", FUSIONS.values(), ids=str)


def test_every_layer_of_a_list_is_a_fusion_layer():
    of_lists = {c.layer for c in all_cases() if isinstance(c.inputs[0], list)}
    # These hand on what they get.
    of_lists -= {layers.ClassPrototypes, layers.GradientGate, layers.MaskAbsentSteps}
    assert of_lists == set(FUSIONS) and len(FUSIONS) >= 14


def modalities_of(case):
    """As floats of some more samples, without `present` and the like."""
    return [np.ones((2, *x.shape[1:]), "float32") for x in case.inputs[0]]


def symbolic(arrays):
    return on_arrays(lambda x: keras.Input(x.shape[1:], dtype=x.dtype.name), arrays)


@every_fusion
@pytest.mark.parametrize("made", [np.ones((2, 3)), {"a": np.ones((2, 3))}, "a", 3], ids=type)
def test_not_a_list(case, made):
    name = case.layer.__name__
    with pytest.raises(TypeError, match=f"{name}: expected modalities to be a list.*Received: "):
        make(case)(made)


@every_fusion
def test_too_few(case):
    for given in ([], modalities_of(case)[: case.layer.min_modalities - 1]):
        with pytest.raises(ValueError, match=r"expected modalities to be .* or more.*Received: \["):
            make(case)(given)


@every_fusion
@pytest.mark.parametrize("is_symbolic", [False, True])
def test_strings(case, is_symbolic):
    modalities = modalities_of(case)
    if is_symbolic:
        broken = keras.Input(modalities[0].shape[1:], dtype="string")
        modalities = symbolic(modalities)
    else:
        broken = np.full(modalities[0].shape, "a")
    for given in ([broken, *modalities[1:]], [*modalities[:-1], "a"]):
        layer = make(case)
        with pytest.raises(TypeError, match="expected modalities .* of numbers. Received: "):
            layer(given)
        assert not layer.built


@every_fusion
def test_ranks_and_sizes(case):
    """What the class says that it takes."""
    modalities = modalities_of(case)
    wrong = [np.ones(2)] if case.layer.ranks is None else []
    if case.layer.ranks == (2,):
        wrong += [np.ones((2, 3, 4))]
    if make(case).equal == "shape":
        wrong += [np.concatenate([modalities[0]] * 2, -1), modalities[0][..., None]]
    for x in wrong:
        with pytest.raises(ValueError, match="expected modalities to be a list.*Received: "):
            make(case)([x] * 3 if x.ndim == 1 else [*modalities[:-1], x])
    assert wrong or case.layer in (layers.ModDrop, layers.ResidualGating)


@every_fusion
@pytest.mark.parametrize("is_symbolic", [False, True])
def test_present_of_another_width(case, is_symbolic):
    modalities = modalities_of(case)
    n = len(modalities)
    layer = make(case)
    for _ in range(2):  # in the first call and a later one
        for shape in ((2, n + 1), (2, 1), (2,)):
            given = (modalities, np.ones(shape, "float32"))
            given, present = symbolic(given) if is_symbolic else given
            with pytest.raises(ValueError, match=rf"present: expected shape \(batch, {n}\)"):
                layer(given, present=present)
        with pytest.raises(TypeError, match="present: expected a tensor. Received: 3"):
            layer(modalities, present=3)
        layer(modalities)


@every_fusion
@pytest.mark.parametrize("is_symbolic", [False, True])
def test_other_modalities_at_a_later_call(case, is_symbolic):
    """Fewer, more, wider or of another rank; other sizes may vary where the layer lets them."""
    modalities = modalities_of(case)
    layer = make(case)
    layer(modalities)
    later = [modalities[:-1], [*modalities, modalities[-1]]]
    later += [[np.concatenate([x, x], -1) for x in modalities]]
    if case.layer.ranks is None:
        later += [[x[:, None] for x in modalities]]
    for given in later:
        with pytest.raises(ValueError, match="expect"):
            layer(symbolic(given) if is_symbolic else given)
    assert len(layer.input_spec) == len(layer.widths) == len(modalities)
    layer([np.concatenate([x, x]) for x in modalities])


CENTRAL = [layers.CentralFusion, layers.WeightedMean, layers.ScoreRule]


@pytest.mark.parametrize("fusion", CENTRAL)
def test_central(fusion):
    a = np.full((2, 4), 0.5, "float32")
    for wrong in (a[:, :1], a[:, None]):
        with pytest.raises(ValueError, match="central: expected a tensor like the modalities"):
            fusion()([a, a], wrong)
    for has_central in (True, False) if fusion is not layers.ScoreRule else ():
        layer = fusion()
        layer([a, a], a if has_central else None)
        with pytest.raises(ValueError, match="central: expected it in all calls or in none"):
            layer([a, a], None if has_central else a)
        x = symbolic([a, a, a])
        with pytest.raises(ValueError, match="central: expected it in all calls or in none"):
            layer(x[:2], central=None if has_central else x[2])


@every_fusion
def test_fusion_weights_are_shares_of_the_sources(case):
    per = case.layer.fusion_weights_per
    assert hasattr(case.layer, "fusion_weights") == (per is not None)
    if per is None:
        return
    layer = make(case)
    if per == "layer":
        with pytest.raises(ValueError, match="expected a layer that has been built. Received: l"):
            layer.fusion_weights()
    else:
        with pytest.raises(ValueError, match="expected a layer that has been built. Received: l"):
            layer.fusion_weights(*case.inputs)
    layer(*case.inputs, **case.keywords)
    has_central = layer.has_central or "central" in case.keywords
    sources = len(case.inputs[0]) + bool(has_central)
    if per == "layer":
        found = layer.fusion_weights()
        assert isinstance(found, np.ndarray) and found.shape == (sources,)
    else:
        found = to_numpy(layer.fusion_weights(*case.inputs, **case.keywords))
        assert found.shape == (len(case.inputs[0][0]), sources)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)
    assert np.all(found >= 0)


def test_contract_of_fusion_weights():
    with pytest.raises(ValueError, match="fusion_weights_per: expected one of .*'unit'"):

        class PerUnit(FusionLayer):
            fusion_weights_per = "unit"


class ScaledSum(FusionLayer):
    """As short as a layer of a user's own may be; its output has another width."""

    min_modalities = 2
    equal = "shape"

    def build(self, modalities_shape, present_shape=None):
        super().build(modalities_shape, present_shape=present_shape)
        self.scales = self.add_weight((len(modalities_shape),), "ones", name="scales")

    def call(self, modalities, present=None):
        modalities = self.mask_absent(modalities, present)
        fused = sum(self.scales[k] * x for k, x in enumerate(modalities))
        return keras.ops.concatenate([fused, fused], axis=-1)


class Plain(FusionLayer):
    """Without weights, and without `present`."""

    def call(self, modalities):
        return keras.ops.concatenate(self.mask_absent(modalities), axis=-1)


def test_layer_of_a_users_own():
    """Keras finds the output's shape by itself, with open sizes too."""
    x = [keras.Input((None, 3)), keras.Input((None, 3))]
    present = keras.Input((2,))
    layer = ScaledSum()
    fused = layer(x, present=present)
    assert fused.shape == (None, None, 6)
    model = keras.Model([*x, present], fused)
    layer.scales.assign([2.0, 5.0])
    a, b = np.ones((2, 4, 3), "float32"), np.full((2, 4, 3), np.nan, "float32")
    b[1] = 1
    found = model.predict([a, b, np.array([[1, 0], [1, 1]])], verbose=0)
    np.testing.assert_allclose(found[:, 0, 0], [2, 7])
    with pytest.raises(ValueError, match="ScaledSum: expected modalities to be a list of two or m"):
        ScaledSum()([a])
    assert Plain()([keras.Input((3,)), keras.Input((2,))]).shape == (None, 5)


def test_mask_absent():
    layer = Plain(dtype="mixed_float16")
    a, b = np.array([[1], [2]]), np.array([[np.nan], [4.0]])
    sources = layer.mask_absent([a, b], np.array([[1, 0], [0, 1]]), central=b[1:], fill=0.5)
    assert {keras.backend.standardize_dtype(x.dtype) for x in sources} == {"float16"}
    assert [to_numpy(x)[:, 0].tolist() for x in sources] == [[1, 0.5], [0.5, 4], [4]]
    (only,) = layer.mask_absent((a,), dtype="float32")
    assert keras.backend.standardize_dtype(only.dtype) == "float32"

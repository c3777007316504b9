"""Noise in one modality at a time."""

import numpy as np
import pytest
from helpers.tiny import compiled, labels, vector_net

import keras_fusion as kf
from keras_fusion import evaluation as ev

NETS = {"a": (3, "a"), "b": (5, "b")}


def model(**options):
    nets = {name: vector_net(name, features) for name, (features, _) in NETS.items()}
    return compiled(kf.build_late_fusion(nets, **options), metrics=["accuracy"])


def data(count=6):
    rng = np.random.default_rng(0)
    x = {
        name: rng.normal(2, 1, (count, size)).astype("float32") for name, (size, _) in NETS.items()
    }
    return x, labels(count)


@pytest.mark.parametrize("snr", [20.0, 0.0, -7.0])
def test_noise_has_its_power(snr):
    signal = np.random.default_rng(0).uniform(1, 3, (2, 100, 100)).astype("float32")
    signal[1] *= 10
    noise = ev.add_noise(signal, snr) - signal
    for clean, added in zip(signal, noise, strict=True):
        found = 10 * np.log10(np.mean(clean**2) / np.mean(added**2))
        assert found == pytest.approx(snr, abs=0.1)
    assert abs(noise[0].mean()) < 0.05 * noise[0].std()


def test_noise_of_one_seed_differs_by_a_factor():
    signal = np.ones((2, 4), "float32")
    one, other = (ev.add_noise(signal, snr, seed=3) - signal for snr in (0, -20))
    np.testing.assert_allclose(other, 10 * one, rtol=1e-4, atol=1e-6)
    assert np.abs(ev.add_noise(signal, 0, seed=4) - signal - one).max() > 0.1
    np.testing.assert_array_equal(ev.add_noise(signal, float("inf")), signal)
    assert ev.add_noise(np.full((1, 2), 200, "uint8"), 300).tolist() == [[200, 200]]


def test_one_modality_at_a_time():
    fused, (x, y) = model(), data()
    curves = ev.noise_curves(fused, x, y, snrs=[5, -5], seed=2)
    clean = fused.evaluate(x, y, verbose=0, return_dict=True)
    assert list(curves) == ["a", "b"]
    for number, name in enumerate(curves):
        assert list(curves[name]) == [np.inf, 5.0, -5.0]
        assert curves[name][np.inf]["loss"] == pytest.approx(clean["central_loss"], rel=1e-5)
        noisy = {**x, name: ev.add_noise(x[name], -5, [2, number])}
        expected = fused.evaluate(noisy, y, verbose=0, return_dict=True)
        assert curves[name][-5.0]["loss"] == pytest.approx(expected["central_loss"], rel=1e-5)
        assert curves[name][-5.0]["loss"] != pytest.approx(clean["central_loss"], rel=1e-4)
    lines = str(curves).splitlines()
    assert lines[0].split() == ["modality", "SNR", "(dB)", "accuracy", "loss"] or "loss" in lines[0]
    assert len(lines) == 7 and lines[1].startswith("a              inf")


def test_absent_modalities_stay_absent():
    fused, (x, y) = model(missing_modalities=True), data()
    x["a"][:3] = np.nan
    x["present"] = np.array([[0, 1]] * 3 + [[1, 1]] * 3, "float32")
    curves = ev.noise_curves(fused, x, y, snrs=[-5], modalities=["a"])
    assert list(curves) == ["a"] and np.isfinite(curves["a"][-5.0]["loss"])


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"model": None}, TypeError, "model: expected a FusionModel"),
        ({"x": np.zeros((6, 3))}, TypeError, "x: expected a dict of arrays"),
        ({"modalities": ["c"]}, ValueError, r"expected some of \['a', 'b'\]. Received: \['c'\]"),
        ({"snrs": ["loud"]}, TypeError, "snrs: expected a sequence of decibels"),
        ({"tokens": True}, TypeError, "signal: expected floats or unsigned bytes. Received: int"),
    ],
)
def test_errors(change, error, match):
    x, y = data()
    if change.pop("tokens", False):
        x = {name: np.ones(value.shape, "int32") for name, value in x.items()}
    arguments = {"model": model(), "x": x, "y": y, "snrs": [0], **change}
    with pytest.raises(error, match=match):
        ev.noise_curves(**arguments)


def test_a_model_that_is_not_compiled():
    nets = [vector_net("a"), vector_net("b")]
    with pytest.raises(ValueError, match="expected a compiled model"):
        ev.noise_curves(kf.build_late_fusion(nets), {}, None)

"""MultipleKernelFusion: kernels against scikit-learn and NumPy, adapt, betas, absence, errors."""

import itertools

import keras
import numpy as np
import pytest
from conformance import gradients
from keras.ops import convert_to_numpy as to_numpy
from layer_cases import PRESENT, Case, floats, integers

from keras_fusion.layers import MultipleKernelFusion

CASES = [
    Case(
        MultipleKernelFusion,
        "own kernels of two vectors",
        {"kernels": [["rbf", ["rbf", 2.0]], ["linear"]], "landmarks": 4, "nystroem": True},
        ([floats(3, 5), floats(3, 2)],),
        (3, 4),
    ),
    Case(
        MultipleKernelFusion,
        "three with present and polynomials",
        {"kernels": ["rbf", ("polynomial", 3)], "landmarks": 4},
        ([floats(3, 5), floats(3, 2), floats(3, 3)],),
        (3, 4),
        keywords={"present": PRESENT},
    ),
    Case(
        MultipleKernelFusion,
        "integer vectors",
        {"kernels": "polynomial", "landmarks": 2},
        ([1 + integers(3, 3, 4, dtype="uint8"), 1 + integers(3, 3, 2)],),
        (3, 2),
    ),
]

WIDTHS = (5, 2, 3)
POINTS = 6
# The argument, and what it means for each of three modalities.
CHOICES = {
    "one": ("rbf", [[("rbf", 1)]] * 3),
    "narrower": (("rbf", 0.5), [[("rbf", 0.5)]] * 3),
    "several": (
        ["linear", ("polynomial", 3), ["rbf", 2]],
        [[("linear", None), ("polynomial", 3), ("rbf", 2)]] * 3,
    ),
    "own": (
        [["polynomial"], ["rbf", "linear"], ["linear"]],
        [[("polynomial", 2)], [("rbf", 1), ("linear", None)], [("linear", None)]],
    ),
}
every_choice = pytest.mark.parametrize("choice", CHOICES)


def arrays(rows=20, n=3, seed=0):
    """Features of different scale and mean."""
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(k, 1 + k, size=(rows, width))).astype("float32")
        for k, width in enumerate(WIDTHS[:n])
    ]


def adapted(choice="one", n=3, **options):
    """An adapted layer with betas of its own, and `[(modality, name, parameter)]`."""
    kernels, table = CHOICES[choice]
    layer = MultipleKernelFusion(kernels[:n] if choice == "own" else kernels, POINTS, **options)
    layer.adapt(arrays(n=n), seed=0)
    listed = [(k, *kernel) for k in range(n) for kernel in table[k]]
    layer.alpha.assign(np.random.default_rng(1).normal(size=len(listed)))
    return layer, listed


def gammas(points, listed):
    """By loops over the landmarks."""
    found = []
    for k, name, factor in listed:
        if name == "rbf":
            pairs = itertools.combinations(points[k], 2)
            median = np.median([np.linalg.norm(a - b) for a, b in pairs])
            found.append(1 / (2 * (factor * median) ** 2))
        else:
            found.append(1 / np.mean([a @ a for a in points[k]]))
    return found


def by_hand(x, z, name, parameter, gamma):
    if name == "rbf":
        return np.exp(-gamma * ((x[:, None] - z[None]) ** 2).sum(-1))
    if name == "linear":
        return gamma * x @ z.T
    return ((gamma * x @ z.T + 1) / 2) ** parameter


def by_scikit_learn(x, z, name, parameter, gamma):
    pairwise = pytest.importorskip("sklearn.metrics.pairwise", reason="needs scikit-learn")
    if name == "rbf":
        return pairwise.rbf_kernel(x, z, gamma=gamma)
    if name == "linear":
        return gamma * pairwise.linear_kernel(x, z)
    scaled = pairwise.polynomial_kernel(x, z, degree=parameter, gamma=gamma, coef0=1)
    return scaled / 2**parameter


def softmax(alpha):
    return np.exp(alpha) / np.exp(alpha).sum()


def fused(x, z, listed, betas, kernel=by_hand):
    """Eq. (1)."""
    scales = gammas(z, listed)
    return sum(
        beta * kernel(x[k], z[k], name, parameter, gamma)
        for beta, (k, name, parameter), gamma in zip(betas, listed, scales, strict=True)
    )


@pytest.mark.parametrize("kernel", [by_hand, by_scikit_learn])
@pytest.mark.parametrize("n", [2, 3])
@every_choice
def test_fused_kernel(choice, n, kernel):
    layer, listed = adapted(choice, n)
    z = [to_numpy(points).astype("float64") for points in layer.points]
    betas = softmax(to_numpy(layer.alpha))
    x = arrays(7, n, seed=2)
    expected = fused(x, z, listed, betas, kernel)
    np.testing.assert_allclose(to_numpy(layer(x)), expected, rtol=1e-3, atol=1e-4)
    on_landmarks = to_numpy(layer(z))
    expected = fused(z, z, listed, betas, kernel)
    np.testing.assert_allclose(on_landmarks, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(on_landmarks, on_landmarks.T, rtol=1e-4, atol=1e-5)
    assert np.linalg.eigvalsh(on_landmarks.astype("float64")).min() > -1e-5
    of_modality = [betas[[m == k for m, *_ in listed]] for k in range(n)]
    for found, expected in zip(layer.betas(), of_modality, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(layer.fusion_weights(), [b.sum() for b in of_modality], rtol=1e-5)


def test_distances_far_from_the_origin():
    """A common mean, however large, is nothing to a distance."""
    layer, moved = (MultipleKernelFusion(landmarks=POINTS) for _ in range(2))
    x = arrays()
    layer.adapt(x, seed=0)
    moved.adapt([array + 1024 for array in x], seed=0)
    found = to_numpy(moved([array + 1024 for array in x]))
    np.testing.assert_allclose(found, to_numpy(layer(x)), rtol=1e-2, atol=1e-3)


def test_starts_uniform():
    layer = MultipleKernelFusion([["rbf", "linear"], ["rbf"]], 4)
    layer([x[:, :2] for x in arrays(n=2)])
    for betas, count in zip(layer.betas(), (2, 1), strict=True):
        assert betas == pytest.approx([1 / 3] * count)
    assert layer.fusion_weights() == pytest.approx([2 / 3, 1 / 3])


@pytest.mark.parametrize("n", [2, 3])
def test_not_adapted_it_fits_features_of_variance_1(n):
    """The gammas then are about those that adapt would have found."""
    layer = MultipleKernelFusion(["rbf", "linear"], 200)
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(300, width)).astype("float32") for width in (30, 40, 50)[:n]]
    before = to_numpy(layer(x))
    assert before.std(axis=1).min() > 0.01
    start = to_numpy(layer.gamma).copy()
    points = to_numpy(layer.points[0]).copy()
    assert abs(points.mean()) < 0.05 and abs(points.std() - 1) < 0.05
    layer.adapt(x, seed=0)
    np.testing.assert_allclose(to_numpy(layer.gamma), start, rtol=0.1)
    assert np.any(to_numpy(layer.points[0]) != points)


def test_adapt_takes_the_same_rows_of_all_modalities():
    x = arrays()
    x[0][:, 0] = x[1][:, 1] = x[2][:, 2] = np.arange(20)  # every row knows its number
    layer = MultipleKernelFusion(landmarks=POINTS)
    layer.adapt(x, seed=0)
    rows = to_numpy(layer.points[0])[:, 0].astype(int)
    assert len(set(rows)) == POINTS
    for points, array in zip(layer.points, x, strict=True):
        np.testing.assert_array_equal(to_numpy(points), array[rows])
    layer.adapt(x, seed=0)
    assert to_numpy(layer.points[0])[:, 0].tolist() == rows.tolist()
    layer.adapt(x, seed=1)
    assert to_numpy(layer.points[0])[:, 0].tolist() != rows.tolist()
    drawn = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        layer.adapt(x)
        drawn.append(to_numpy(layer.points[0])[:, 0].tolist())
        layer.adapt(x)
        assert to_numpy(layer.points[0])[:, 0].tolist() != drawn[-1]
    assert drawn[0] == drawn[1]
    present = np.ones((20, 3))
    present[[0, 3, 8], [0, 1, 2]] = 0
    for array in x:
        array[[0, 3, 8]] = np.nan
    for seed in range(5):
        layer.adapt(x, present, seed)
        assert not {0, 3, 8} & set(to_numpy(layer.points[0])[:, 0])


def test_rows_that_come_twice_do_not_spoil_the_bandwidth():
    """A median of all distances would be 0 here."""
    x = [np.repeat(array[:1], 20, axis=0) for array in arrays()]
    for array in x:
        array[0] += 1
    layer = MultipleKernelFusion(landmarks=20)
    layer.adapt(x)
    np.testing.assert_allclose(to_numpy(layer.gamma), [1 / (2 * w) for w in WIDTHS], rtol=1e-4)


@every_choice
def test_nystroem(choice):
    """Inner products of the output are K on the landmarks, and K_xm (K + eps)^-1 K_mx off them."""
    layer, listed = adapted(choice, nystroem=True)
    z = [to_numpy(points) for points in layer.points]
    uniform = np.full(len(listed), 1 / len(listed))  # the betas at the moment of adapt
    layer.alpha.assign(np.zeros(len(listed)))
    kernel = fused(z, z, listed, uniform)
    found = to_numpy(layer(z))
    np.testing.assert_allclose(found @ found.T, kernel, rtol=1e-2, atol=2e-3)
    values, bases = np.linalg.eigh(kernel)
    inverse = bases / (np.maximum(values, 0) + 1e-6 * values[-1]) @ bases.T
    x = arrays(7, seed=2)
    between = fused(x, z, listed, uniform)
    found, expected = to_numpy(layer(x)), between @ inverse @ between.T
    np.testing.assert_allclose(found @ found.T, expected, rtol=2e-2, atol=2e-2 * expected.max())
    assert not layer.root.trainable and not layer.gamma.trainable


@pytest.mark.parametrize("nystroem", [False, True])
@pytest.mark.parametrize("choice", ["several", "own"])
@pytest.mark.parametrize("n", [2, 3])
def test_absent_modalities(choice, n, nystroem):
    """Every subset at once; what is absent is a NaN here and left out of Eq. (1) by hand."""
    layer, listed = adapted(choice, n, nystroem=nystroem)
    present = np.array(list(itertools.product([0, 1], repeat=n)))
    x, z = arrays(len(present), n, seed=2), [to_numpy(points) for points in layer.points]
    betas, expected = softmax(to_numpy(layer.alpha)), []
    for i, here in enumerate(present):
        kept = np.array([b * here[k] for b, (k, *_) in zip(betas, listed, strict=True)])
        kept = kept / (kept.sum() or 1)
        expected.append(fused([array[i : i + 1] for array in x], z, listed, kept)[0])
    expected = np.array(expected)
    if nystroem:
        expected = expected @ to_numpy(layer.root)
    assert not np.any(expected[0]) and np.all(np.any(expected[1:], axis=1))
    holes = [np.where(present[:, [k]], x[k], np.nan) for k in range(n)]
    for mask in (present, present.astype(bool), present.astype("float32")):
        found = to_numpy(layer(holes, present=mask))
        np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-3)
    layer.alpha.assign(np.linspace(-300, 300, len(listed)))  # shares that underflow
    assert np.all(np.isfinite(to_numpy(layer(holes, present=present))))
    assert np.any(to_numpy(layer(holes, present=present))[-2])


def test_absent_reaches_no_gradient():
    layer, _ = adapted("one", 2)
    present = np.array([[True, False], [True, True], [False, False]])
    x = [np.where(present[:, [k]], a, np.float32(np.nan)) for k, a in enumerate(arrays(3, 2))]
    by_weights, by_inputs = gradients(layer, x, present=present)
    assert len(by_weights) == 3 and all(np.all(np.isfinite(g)) for g in by_weights)
    for k, found in enumerate(by_inputs):
        assert np.all(found[~present[:, k]] == 0) and np.all(found[present[:, k]] != 0)


def test_fixed_landmarks_need_adapt(tmp_path):
    """No landmarks look like landmarks: neither in a call, nor in a model, saved or not."""
    layer = MultipleKernelFusion(landmarks=POINTS, train_landmarks=False, name="kernels")
    inputs = [keras.Input((width,)) for width in WIDTHS]
    model = keras.Model(inputs, keras.layers.Dense(2)(layer(inputs)))
    x = arrays()
    model.save(tmp_path / "early.keras")
    early = keras.models.load_model(tmp_path / "early.keras")
    for not_adapted in (model, early):
        with pytest.raises(RuntimeError, match="kernels: expected a call of adapt.. before"):
            not_adapted(x)
    layer.adapt(x, seed=0)
    assert [w.name for w in layer.trainable_weights] == ["alpha"]
    model.compile("sgd", "mse")
    before = [np.array(to_numpy(w)) for w in layer.weights]
    model.fit(x, np.ones((20, 2)), verbose=0)
    same = [np.array_equal(a, to_numpy(w)) for a, w in zip(before, layer.weights, strict=True)]
    assert same == [w.name != "alpha" for w in layer.weights]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(again(x)), to_numpy(model(x)))
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_the_informative_modality_gains_weight():
    """Which class it is lies in the distance from the origin of the first modality alone."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(200, 2)), rng.normal(size=(200, 2))]
    y = (np.linalg.norm(x[0], axis=1) > 1.2).astype(int)
    layer = MultipleKernelFusion(landmarks=30, train_landmarks=False)
    layer.adapt(x, seed=0)
    inputs = [keras.Input((2,)), keras.Input((2,))]
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(layer(inputs)))
    model.compile(
        keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    history = model.fit(x, y, epochs=100, batch_size=200, verbose=0).history
    assert history["accuracy"][-1] > 0.9
    assert layer.fusion_weights()[0] > 0.8


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"kernels": "cosine"}, ValueError, "kernels: expected one of .'rbf', 'li.*'cosine'"),
        ({"kernels": ("rbf", 0)}, ValueError, "rbf., float > 0.*Received: .'rbf', 0"),
        ({"kernels": ("linear", 2)}, ValueError, "kernels: expected .*Received: .'linear', 2"),
        ({"kernels": [["polynomial", 2.5]]}, ValueError, "int >= 1.*Received: .'polynomial', 2.5"),
        ({"kernels": []}, TypeError, "kernels: expected a kernel, a list.*Received: .."),
        ({"kernels": [["rbf"], []]}, TypeError, "kernels: expected a kernel.*Received: ..'rbf'., "),
        ({"kernels": [["rbf"], "rbf"]}, TypeError, "kernels: expected a kernel"),
        ({"kernels": 3}, TypeError, "kernels: expected a kernel.*Received: 3"),
        ({"landmarks": 1}, ValueError, "landmarks: expected an int >= 2. Received: 1"),
        ({"train_landmarks": 1}, TypeError, "train_landmarks: expected True or False.*: 1"),
        ({"nystroem": None}, TypeError, "nystroem: expected True or False. Received: None"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        MultipleKernelFusion(**arguments)


def test_bad_calls():
    a, b = np.zeros((3, 5)), np.zeros((3, 2))
    with pytest.raises(ValueError, match="kernels: expected 2 lists, one for each modality"):
        MultipleKernelFusion([["rbf"], ["rbf"], ["rbf"]])([a, b])
    with pytest.raises(ValueError, match="betas: expected a layer that .*Received: late, which"):
        MultipleKernelFusion(name="late").betas()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda x: x[0], TypeError, "modalities: expected a list of arrays. Received: ndarray"),
        (lambda x: x[:1], ValueError, "a list of two or more vectors"),
        (lambda x: [x[1], x[0]], ValueError, "of the widths .5, 2.. Received shapes: ..20, 2"),
        (lambda x: [x[0], x[1][:9]], ValueError, "as many rows in each.*Received shapes: ..20, 5"),
        (lambda x: [a[:5] for a in x], ValueError, "expected 6 or more rows .*Received: 5"),
        (
            lambda x: [x[0], 0 * x[1]],
            ValueError,
            "rows that differ. Received: 6 rows of modality 1",
        ),
        (lambda x: [x[0] / 0, x[1]], ValueError, "finite values. Received: .* in modality 0"),
    ],
)
def test_bad_rows(change, error, message):
    layer = MultipleKernelFusion(landmarks=POINTS)
    layer(arrays(n=2))
    before = to_numpy(layer.points[0]).copy()
    with np.errstate(all="ignore"), pytest.raises(error, match=message):
        layer.adapt(change(arrays(n=2)))
    np.testing.assert_array_equal(to_numpy(layer.points[0]), before)


def test_adapt_asks_for_complete_rows():
    present = np.zeros((20, 2))
    with pytest.raises(ValueError, match="6 or more rows with all modalities.*Received: 0"):
        MultipleKernelFusion(landmarks=POINTS).adapt(arrays(n=2), present)

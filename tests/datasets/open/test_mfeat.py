"""UCI multiple features: both forms of its files, the split, what is refused."""

import numpy as np
import pytest

from keras_fusion.datasets import mfeat
from keras_fusion.datasets._io import files


def small_arrays():
    rng = np.random.default_rng(0)
    views = {
        view: (rng.normal(size=(40, width)) * 100 + 7).round(3).astype("float32")
        for view, width in mfeat.FEATURES.items()
    }
    views["mor"][:, 0] = 3
    return views, np.repeat(np.arange(10), 4)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    views, y = small_arrays()
    hashes = {key: files.array_sha256(array) for key, array in {**views, "y": y}.items()}
    monkeypatch.setattr(mfeat, "_SHA256", hashes)
    monkeypatch.setattr(mfeat, "_ROWS", 40)
    monkeypatch.setattr(mfeat, "_COUNTS", {"train": None, "validation": 10, "test": 10})


def write_npz(folder, **changes):
    views, y = small_arrays()
    arrays = {**views, "y": y, **changes}
    np.savez(folder / "mfeat.npz", **{k: a for k, a in arrays.items() if a is not None})


def write_text(folder):
    """As UCI has them: numbers right-aligned between blanks, no header."""
    for view, array in small_arrays()[0].items():
        lines = [" ".join(f"{value:9.3f}" for value in row) for row in array]
        (folder / f"mfeat-{view}").write_text("\n".join(lines) + "\n", encoding="ascii")


def test_text_files_and_npz_are_the_same(tmp_path, monkeypatch):
    inner = tmp_path / "mfeat"
    inner.mkdir()
    write_text(inner)
    monkeypatch.setenv("KERAS_FUSION_DATA", str(tmp_path))
    from_text = mfeat.load_data(standardize=False)
    write_npz(inner)
    from_npz = mfeat.load_data(inner, standardize=False)
    views, labels = small_arrays()
    known = {row.tobytes(): (i, labels[i]) for i, row in enumerate(views["fou"])}
    seen = []
    for part, count in (("train", 20), ("validation", 10), ("test", 10)):
        x, y = from_npz[part]
        assert list(x) == sorted(mfeat.FEATURES) and y.dtype == "int32" and y.shape == (count,)
        rows = [known[row.tobytes()][0] for row in x["fou"]]
        np.testing.assert_array_equal(y, labels[rows])
        np.testing.assert_array_equal(np.bincount(y), np.full(10, count // 10))
        for view in x:
            np.testing.assert_array_equal(x[view], views[view][rows])
            np.testing.assert_array_equal(x[view], from_text[part][0][view])
        seen += rows
    assert sorted(seen) == list(range(40))


def test_standardized_on_train_only(tmp_path):
    write_npz(tmp_path)
    raw, data = mfeat.load_data(tmp_path, standardize=False), mfeat.load_data(tmp_path)
    reference = raw["train"][0]["kar"].astype("float64")
    for part in data:
        expected = (raw[part][0]["kar"] - reference.mean(0)) / reference.std(0)
        np.testing.assert_allclose(data[part][0]["kar"], expected, rtol=1e-4, atol=1e-5)
        assert data[part][0]["kar"].dtype == "float32"
        np.testing.assert_array_equal(data[part][0]["mor"][:, 0], 0)  # constant


def nan_in_fou():
    array = small_arrays()[0]["fou"]
    array[3, 5] = np.nan
    return array


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fou": np.zeros((40, 75), "float32")}, r"`fou` of shape \(40, 76\)"),
        ({"fou": np.zeros((40, 76), "int32")}, "type float. Received: int32"),
        ({"fou": nan_in_fou()}, "finite `fou`. Received: NaN or infinity in 1 of 40.* row 3"),
        ({"y": np.repeat(np.arange(1, 11), 4)}, r"absent \[0\], others \[10\]"),
        ({"y": np.repeat(np.arange(10.0), 4)}, "`y` of shape .* type int or uint"),
        ({"y": None}, "must hold the arrays"),
        ({"zer": small_arrays()[0]["zer"] + 1}, "`zer` with SHA-256 .* get it again"),
    ],
)
def test_another_npz_is_refused(tmp_path, changes, message):
    write_npz(tmp_path, **changes)
    with pytest.raises(ValueError, match=f"mfeat.npz.*{message}"):
        mfeat.load_data(tmp_path)


def test_broken_text_files(tmp_path):
    write_text(tmp_path)
    path = tmp_path / "mfeat-kar"
    whole = path.read_text()
    for broken, message in (
        (whole[: len(whole) // 2 - 30], "mfeat-kar is not a complete text file.*line 20 has"),
        (whole.replace(".", "?", 1), "mfeat-kar is not a complete text file.*could not convert"),
        (whole[: whole.index("\n") + 1], r"mfeat-kar: expected `kar` of shape \(40, 64\)"),
        (whole.replace("1", "\u0661", 1), "mfeat-kar is not a complete text file.*ascii"),
    ):
        path.write_text(broken, encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            mfeat.load_data(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"Missing: mfeat-kar.*info\('mfeat'\)"):
        mfeat.load_data(tmp_path)


def test_no_folder(monkeypatch):
    monkeypatch.delenv("KERAS_FUSION_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="mfeat: expected data_dir= or .*KERAS_FUSION_DATA"):
        mfeat.load_data()


@pytest.mark.data
def test_real_digits(data_dir, monkeypatch):
    monkeypatch.undo()
    data = mfeat.load_data(data_dir)
    (x, y), (x_test, y_test) = data["train"], data["test"]
    assert [len(part[1]) for part in data.values()] == [1400, 200, 400]
    # Nearest class mean: every view belongs to these labels.
    for view, accuracy in {"fac": 0.9, "fou": 0.7, "kar": 0.85, "mor": 0.6, "pix": 0.9}.items():
        means = np.stack([x[view][y == digit].mean(axis=0) for digit in range(10)])
        distance = ((x_test[view][:, None] - means) ** 2).sum(axis=-1)
        assert (distance.argmin(axis=1) == y_test).mean() > accuracy, view

"""A table as a data set: what columns are taken for, what is learnt, new rows, what is refused."""

import json
import wave

import keras
import numpy as np
import pytest
from helpers.tiny import compiled

import keras_fusion as kf
from keras_fusion.datasets import Encoder, from_dataframe

pd = pytest.importorskip("pandas")
CITIES = ["Rome", "Oslo", "Rome", None]
needs_strings = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow has strings in a model"
)


def table(rows=40):
    numbers = np.arange(rows)
    return pd.DataFrame(
        {
            "age": [None if i % 8 == 1 else float(i) for i in numbers],
            "city": [CITIES[i % 4] for i in numbers],
            "vip": numbers % 3 == 0,
            "text": [None if i % 10 == 9 else f"Warm, it's number {i}" for i in numbers],
            "rating": ["bad" if i % 2 else "good" for i in numbers],
        }
    )


COLUMNS = {"guest": ["age", "city", "vip"], "review": "text"}


def made(df=None, modalities=None, label="rating", **arguments):
    df = table() if df is None else df
    return from_dataframe(df, modalities or COLUMNS, label, verbose=False, **arguments)


@pytest.fixture
def pictures(tmp_path):
    """Paths, from the folder on, of PNG files of 6 x 4 pixels; every fifth is missing."""
    image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    rng, paths = np.random.default_rng(0), []
    for i in range(40):
        paths.append(f"{i}.PNG" if i % 5 else None)
        if paths[-1]:
            image.fromarray(rng.integers(0, 256, (6, 4), "uint8")).save(tmp_path / paths[-1])
    return paths


def test_parts(capsys):
    data = from_dataframe(table(), COLUMNS, "rating")
    assert {part: len(y) for part, (_, y) in data.items()} == {
        **{"train": 28, "validation": 4, "test": 8}
    }
    x, y = data["train"]
    assert x["guest"].shape == (28, 5) and x["guest"].dtype == "float32"
    assert x["review"].shape == (28, 4) and x["review"].dtype == "int32"
    assert y.dtype == "int32" and data.classes == data.encoder.classes == ["bad", "good"]
    assert all(y.mean() == 0.5 for _, y in data.values())  # stratified
    printed = capsys.readouterr().out
    assert "city (2 categories), vip (number)" in printed and "first 4 of each" in printed
    assert "rating is predicted: 2 classes; 28 train, 4 validation, 8 test" in printed


def test_seed():
    def ages(seed):
        return made(seed=seed)["train"][0]["guest"][:, 0].tolist()

    assert ages(1) == ages(1) != ages(2)


def test_only_training_rows_are_learnt():
    df = pd.DataFrame(
        {
            "age": [1.0, 2.0, 9.0, np.nan, np.nan, 500.0],
            "city": ["Rome", "Oslo", "Rome", "Bern", None, "Bern"],
            "text": ["red wine", "white", "white wine", "green wine wine", "", None],
            "rating": [0, 1, 0, 1, 0, 1],
            "part": ["train"] * 3 + ["test"] * 3,
        }
    )
    modalities = {"guest": ["age", "city"], "review": "text"}
    data = made(df, modalities, split="part", kinds={"text": "text"})
    assert list(data) == ["train", "test"]
    x, y = data["test"]
    # The median of 1, 2 and 9; a city that training has not is no city. Ids: wine, white, red.
    assert x["guest"].tolist() == [[2, 0, 0], [2, 0, 0], [500, 0, 0]]
    assert x["review"].tolist() == [[1, 2], [0, 0], [0, 0]] and y.tolist() == [1, 0, 1]
    assert data["train"][0]["review"].tolist() == [[4, 2], [3, 0], [3, 2]]


def test_pictures(pictures, tmp_path, monkeypatch):
    df, columns = table().assign(path=pictures), {**COLUMNS, "photo": "path"}
    data = made(df, columns, folder=tmp_path, split=(0.5, 0, 0.5))
    x, _ = data["train"]
    assert not isinstance(x["photo"], np.ndarray) and x["photo"].shape == (20, 6, 4, 1)
    # Modalities in the order of their names; what is missing is zeros.
    assert list(data) == ["train", "test"]
    absent = x["present"][:, 1] == 0
    assert 0 < absent.sum() < 20 and (x["present"][:, [0, 2]] == 1).all()
    assert (np.asarray(x["photo"]).reshape(20, -1).max(axis=1) == 0).tolist() == absent.tolist()
    import PIL.Image

    row = np.flatnonzero(~absent & (x["guest"][:, 1] == 0))[-1]
    expected = np.asarray(PIL.Image.open(tmp_path / f"{x['guest'][row, 0]:.0f}.PNG"))
    np.testing.assert_array_equal(x["photo"][row][..., 0], expected)
    # New rows have the mask, as training had it, whether they need it or not.
    monkeypatch.chdir(tmp_path)
    new = data.encoder(df.iloc[1:3])
    assert isinstance(new["photo"], np.ndarray) and new["present"].tolist() == [[1, 1, 1]] * 2
    # A part in which no file is missing has the mask too.
    parts = ["test" if i > 20 and path else "train" for i, path in enumerate(pictures)]
    data = made(df.assign(part=parts), columns, split="part", image_size=(3, 8))
    x, y = data["test"]
    assert x["photo"].shape[1:] == (3, 8, 1) and x["present"].tolist() == [[1, 1, 1]] * len(y)


def test_colours_and_cameras(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 3), "uint8")
    turned = image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    path, df = tmp_path / "a.png", table(2).assign(path=str(tmp_path / "a.png"))

    def read():
        return made(df, {"photo": "path"}, split=(1, 0, 0))["train"][0]["photo"][0]

    image.fromarray(pixels).save(path)
    np.testing.assert_array_equal(read(), pixels)
    image.fromarray(pixels).save(path, exif=turned)
    np.testing.assert_array_equal(read(), np.rot90(pixels, -1))
    image.fromarray(pixels.astype("uint16")[..., 0]).save(path)
    with pytest.raises(ValueError, match=r"column 'path': expected pictures of 8 bits.*\['I;16'\]"):
        read()
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match="a.png is not a complete picture file"):
        read()


def test_rows_without_any_modality(pictures, tmp_path):
    df = table().assign(path=pictures)
    with pytest.raises(ValueError, match=r"rows: expected one modality.*\['photo'\].*none in "):
        made(df, {"photo": "path"}, folder=tmp_path)


def test_sounds(tmp_path):
    pytest.importorskip("soundfile")
    pytest.importorskip("scipy")
    paths = []
    for i in range(8):
        paths.append(str(tmp_path / f"{i}.wav"))
        with wave.open(paths[-1], "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
            tone = 9000 * np.sin(np.arange(4000 + 2000 * (i % 2)) * (0.2 + 0.4 * (i % 2)))
            file.writeframes(tone.astype("<i2").tobytes())
    df = table(8).assign(path=paths)
    data = made(df, {"sound": "path"}, split=(0.5, 0.25, 0.25))
    x, y = data["train"]
    assert x["sound"].shape == (4, 112, 112, 1) and data.encoder.parts["sound"].seconds == 0.625
    heights = np.asarray(x["sound"])[..., 0].mean(axis=2).argmax(axis=1)
    assert heights[y == 0].min() > heights[y == 1].max()  # low frequencies first
    assert made(df, {"sound": "path"}, seconds=2)["test"][0]["sound"][:1].std() > 0


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1, 2, 3, 4], "number"),
        ([True, None, False, True], "number, 1 in gaps"),
        ([0.5, None, 2, 3], "number, 2 in gaps"),
        (["a", "b", "a", "b"], "2 categories"),
        (["a b", "b c", "a c", None], "text: 3 words, the first 2"),
        (["1", "2", "2", "1"], "2 categories"),
        (pd.Series([7, 8, 7, None], dtype="category"), "2 categories"),
        (pd.Series([1, None, 2, 2], dtype="Int64"), "number, 2 in gaps"),
        (pd.Series([True, None, False, False], dtype="boolean"), "number, 0 in gaps"),
        (pd.Series(["a", None, "a", "a"], dtype="string"), "1 categories"),
    ],
    ids=str,
)
def test_kinds_that_are_seen(values, said):
    df = pd.DataFrame({"it": values, "rating": [0, 1, 0, 1]})
    encoder = made(df, {"it": "it"}, split=(1, 0, 0)).encoder
    assert said in str(encoder)


def test_kinds_that_are_said():
    df = table(8).assign(zip=[90210, 8001, 8001, None] * 2)
    encoder = made(df, {"a": ["zip"], "b": "city"}, kinds={"zip": "category", "b": "text"}).encoder
    assert encoder.parts["a"].learnt[0]["values"] == ["8001", "90210"]
    assert encoder.parts["b"].words[0] == "rome"
    text = made(df, {"b": "text"}, max_words=2, length=3).encoder
    assert text(df[:2])["b"].tolist() == [[2, 3, 1], [2, 3, 1]]  # warm, it's, and number is unknown
    # Without the gap the column is integers: the same categories.
    new = encoder(pd.DataFrame({"zip": [8001, 1], "city": ["Oslo", "Rome"]}))
    assert new["a"].tolist() == [[1, 0], [0, 0]]


def test_many_categories():
    df = pd.DataFrame({"id": [f"n{i % 60}" for i in range(100)], "rating": [0, 1] * 50})
    encoder = made(df, {"it": ["id"]}, split=(1, 0, 0)).encoder
    assert "50 categories, 10 rarer ones left out" in str(encoder)
    assert encoder(df)["it"].sum() == 90


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([3, 1, 3, 5], [1, 3, 5]),
        ([True, False, True, True], [False, True]),
        (["b", "a", "b", "c"], ["a", "b", "c"]),
        (pd.Categorical([2.5, 1.5, 2.5, 1.5]), [1.5, 2.5]),
        ([0.5, 1.5, 2.0, 0.5], None),
    ],
    ids=str,
)
def test_labels(values, classes):
    data = made(table(4).assign(rating=values), split=(1, 0, 0))
    y = data["train"][1]
    assert data.classes == classes and y.dtype == ("int32" if classes else "float32")
    expected = list(values) if classes is None else [classes.index(value) for value in values]
    assert y.tolist() == expected


def test_saved(tmp_path):
    data = made()
    data.encoder.save(tmp_path / "rows.json")
    json.loads((tmp_path / "rows.json").read_text("utf-8"))
    again = Encoder.load(tmp_path / "rows.json")
    assert again.classes == data.classes and str(again) == str(data.encoder)
    # Other columns, another order, an index that is not from 0, and no label.
    new = (
        table().drop(columns="rating")[::-1].assign(more=1)[["text", "more", "vip", "city", "age"]]
    )
    expected = data.encoder(table())
    for name, array in again(new).items():
        np.testing.assert_array_equal(array[::-1], expected[name])


def test_same_index_twice():
    df = pd.concat([table(), table()])
    assert [len(y) for _, y in made(df).values()] == [56, 8, 16]


def test_columns_of_arrays():
    """`auto` takes columns of pandas beside arrays, without any table."""
    df, y = table(), np.arange(40) % 3
    x = {"guest": df[["age", "city"]], "review": df["text"], "image": np.ones((40, 8, 8, 1))}
    encoder = kf.backbones.auto(x, y, verbose=False).encoder
    found = encoder({**x, "review": list(df["text"])})
    assert {name: array.shape[1:] for name, array in found.items()} == {
        **{"guest": (4,), "review": (4,), "image": (8, 8, 1)}
    }
    expected = made(df, split=(1, 0, 0))["train"][0]["guest"][:, :4]
    np.testing.assert_array_equal(found["guest"], expected)


@needs_strings
def test_strings_in_the_model(tmp_path, monkeypatch):
    df = table().rename(columns={"city": "home town"})
    columns = {"guest": ["age", "home town"], "review": "text", "numbers": ["age", "vip"]}
    data = made(df, columns, in_model=True)
    x, y = data["train"]
    assert x["review"].dtype == object and set(x["guest"]["home_town"]) == {"Rome", "Oslo", ""}
    networks = kf.backbones.auto(data, verbose=False)
    model = compiled(kf.build("late_mean", networks))
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    new = data.encoder(df[:3])
    expected = model.predict(new, verbose=0)["central"]
    again = keras.models.load_model(tmp_path / "model.keras").predict(new, verbose=0)["central"]
    np.testing.assert_array_equal(again, expected)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="in_model: expected False, as only Tens.*True on jax"):
        made(in_model=True)


def without(column):
    return table().drop(columns=column)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"df": {"a": [1]}}, TypeError, "df: expected a pandas DataFrame. Received: dict"),
        ({"df": table()[:0]}, ValueError, "df: .*Received: 0 rows"),
        ({"df": table(2)}, ValueError, r"split: expected a row or more.*0.2\) of 2 rows"),
        ({"modalities": ["age"]}, TypeError, r"modalities: expected a dict.*\['age'\]"),
        ({"modalities": {"present": "age"}}, ValueError, "modalities: .*present': 'age'"),
        ({"modalities": {"a": []}}, ValueError, r"modalities: .*'a': \[\]"),
        ({"modalities": {"a": ["agee"]}}, ValueError, r"columns \['age', 'ci.*Received: \['agee'"),
        ({"label": "stars"}, ValueError, r"label: expected one of .*\['rating'\].*'stars'"),
        ({"label": "age"}, ValueError, "label: .*no modality reads. Received: 'age'"),
        (
            {"df": pd.concat([table(), table()[["age"]]], axis=1)},
            ValueError,
            r"df: expected every column once. Received: \['age'\]",
        ),
        (
            {"df": table().assign(rating=[None, *[1.0] * 39])},
            ValueError,
            r"label: .*none in 1 of 40, first in row 0; df.dropna\(subset=\['rating'\]\)",
        ),
        ({"df": table().assign(rating="a")}, ValueError, r"label: .*two diff.*: \['a'\]"),
        ({"df": table().assign(rating=["a", 1] * 20)}, ValueError, r"label: .*\['int', 'str'\]"),
        ({"df": table().assign(rating=np.inf)}, ValueError, "label: .*Received: infinity"),
        (
            {"df": table().assign(age=pd.Timestamp("2020-02-03"))},
            ValueError,
            r"column 'age': .*Received: dates \(datetime64.*dayofweek",
        ),
        (
            {"df": table().assign(age=[pd.Timestamp("2020-02-03").date()] * 40)},
            ValueError,
            r"column 'age': .*Received: dates \(datetime.date\(2020",
        ),
        ({"df": table().assign(age=np.inf)}, ValueError, "column 'age': .*infinity in row 0"),
        ({"df": table().assign(age=None)}, ValueError, "column 'age': .*leave the column out"),
        (
            {"df": table().assign(text=None), "kinds": {"text": "text"}},
            ValueError,
            "'text': .*none",
        ),
        ({"df": table().assign(age=[[1]] * 40)}, ValueError, r"column 'age': .*Received: \[1\]"),
        (
            {"df": table().assign(age=["a", 1] * 20)},
            ValueError,
            "column 'age': .*strings. .*: 1 am",
        ),
        ({"kinds": {"ages": "number"}}, ValueError, "kinds: .*Received: {'ages': 'number'}"),
        ({"kinds": {"age": "date"}}, ValueError, "kinds: .*Received: {'age': 'date'}"),
        ({"kinds": {"age": "text"}}, ValueError, "kinds: .*column 'age' of a table. .*'text'"),
        (
            {"kinds": {"city": "number"}},
            ValueError,
            "column 'city': expected numbers.*'(Rome|Oslo)'",
        ),
        ({"kinds": {"review": "image"}}, FileNotFoundError, "column 'text': .*Warm.* more that"),
        ({"split": "part"}, ValueError, "split: .*columns.*Received: 'part'"),
        ({"split": "city"}, ValueError, r"split: .*Received: .*'Rome'"),
        ({"split": (0.5, 0.5)}, ValueError, r"split: .*Received: \(0.5, 0.5\)"),
        ({"split": (0, 0.5, 0.5)}, ValueError, r"split: .*Received: \(0, 0.5"),
        (
            {"df": table().assign(numbers="a"), "modalities": {"a": ["numbers"]}, "in_model": True},
            ValueError,
            r"in_model: expected (columns whose.*: \['numbers'\]|False, as only TensorFlow)",
        ),
        ({"seconds": 0}, ValueError, "seconds: .*Received: 0"),
        ({"image_size": 8}, ValueError, "image_size: .*Received: 8"),
    ],
    ids=str,
)
def test_errors(arguments, error, match):
    with pytest.raises(error, match=match):
        made(**arguments)


def test_new_rows_that_are_wrong(tmp_path):
    encoder = made().encoder
    for rows, error, match in (
        (without("age"), ValueError, r"rows: expected the columns \['age'.*without \['age'\]"),
        (table()[:0], ValueError, "rows: expected equally many, at least one"),
        (table().assign(age="old"), ValueError, "column 'age': expected numbers. Received: 'old'"),
        (table().assign(text=3), ValueError, "column 'text': expected strings.*numbers"),
        ({"guest": table()}, ValueError, "rows: .*without 'review'"),
        ([1], TypeError, "rows: .*Received: list"),
    ):
        with pytest.raises(error, match=match):
            encoder(rows)


@pytest.mark.parametrize(
    ("content", "error", "match"),
    [
        (None, FileNotFoundError, "path: expected a file that Encoder.save wrote.*not there"),
        ('{"version": 1', ValueError, "expected JSON"),
        ("[1]", ValueError, "expected a dict"),
        ('{"parts": {"a": {"part": "tree"}}}', ValueError, "expected what Encoder.save wrote"),
    ],
)
def test_files_that_are_no_encoder(tmp_path, content, error, match):
    if content is not None:
        (tmp_path / "rows.json").write_text(content)
    with pytest.raises(error, match=match):
        Encoder.load(tmp_path / "rows.json")

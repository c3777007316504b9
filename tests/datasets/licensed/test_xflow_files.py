"""AVletters, CUAVE and XFlow's Digits: files, windows, padding, folds."""

import numpy as np
import pytest
from helpers.tiny_recordings import mfcc_text, recordings, windows, write_letters, write_raw

from keras_fusion.datasets import avletters, cuave, xflow_digits
from keras_fusion.datasets.licensed import _xflow_files

RAW = {"cuave": cuave, "xflow_digits": xflow_digits}


def test_averaged_to_a_fixed_number_of_frames():
    values = np.random.default_rng(0).normal(size=(9, 2, 3))
    window = 9 - 4 + 1
    for j, frame in enumerate(_xflow_files.averaged(values, 4)):
        np.testing.assert_allclose(frame, sum(values[j + i] for i in range(window)) / window)
    np.testing.assert_array_equal(_xflow_files.averaged(values, 9), values)
    np.testing.assert_allclose(_xflow_files.averaged(values, 3, window=2)[2], values[2:4].mean(0))
    with pytest.raises(ValueError, match="at least 10 steps. Received: 9"):
        _xflow_files.averaged(values, 10)


@pytest.mark.parametrize("name", RAW)
def test_raw_files(tmp_path, monkeypatch, name):
    module, steps = RAW[name], {"cuave": 44, "xflow_digits": 58}[name]
    written = write_raw(tmp_path / {"cuave": "CUAVE", "xflow_digits": "Digits"}[name], module)
    monkeypatch.setenv("KERAS_FUSION_DATA", str(tmp_path))
    data, sequences = module.load_data(), module.load_data(form="sequences")
    expected = {"train": [], "validation": [], "test": []}
    people = module.PEOPLE
    for recording in sorted(recordings(module)):
        test = recording[1] == people[0]
        validation = recording[1] == (people[4] if module is cuave else people[1])
        part = "test" if test else "validation" if validation else "train"
        expected[part].append(recording)
    for part, chosen in expected.items():
        (x, y), (padded, again) = data[part], sequences[part]
        assert y.dtype == "int32" and x["image"].dtype == x["audio"].dtype == "float32"
        np.testing.assert_array_equal(y, [label for _, _, label in chosen])
        np.testing.assert_array_equal(again, y)
        assert x["image"].shape == (len(y), 90, 120, 6) and x["audio"].shape == (len(y), 156)
        assert padded["image"].shape == (len(y), steps, 90, 120, 1)
        assert padded["audio"].shape == (len(y), steps, 26)
        for i, (recording, _, _) in enumerate(chosen):
            image, sound = written[recording]
            frames = np.moveaxis(windows(image, 6), 0, -1)
            np.testing.assert_allclose(x["image"][i], frames, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(x["audio"][i], windows(sound, 6).ravel(), rtol=1e-5)
            length = min(len(image), len(sound))
            np.testing.assert_allclose(
                padded["image"][i, :length, ..., 0], windows(image, length), rtol=1e-5, atol=1e-6
            )
            np.testing.assert_allclose(
                padded["audio"][i, :length], windows(sound, length), rtol=1e-5, atol=1e-6
            )
            assert not padded["image"][i, length:].any() and not padded["audio"][i, length:].any()


def test_without_validation(tmp_path):
    write_raw(tmp_path, xflow_digits)
    data = xflow_digits.load_data(tmp_path, validation=False)
    assert list(data) == ["train", "test"]
    assert [len(y) for _, y in data.values()] == [11, 2]
    with pytest.raises(TypeError, match="validation: expected True or False. Received: 1"):
        xflow_digits.load_data(tmp_path, validation=1)


def test_folds_of_people():
    kinds = {module: module._KIND for module in (avletters, cuave, xflow_digits)}
    assert [len(kind.folds) for kind in kinds.values()] == [10, 9, 15]
    for module, kind in kinds.items():
        people = [person for fold in kind.folds for person in fold]
        assert people == list(module.PEOPLE) and len(set(people)) == len(people)
    assert cuave._KIND.folds[2] == ("s09", "s10", "s11", "s12")


@pytest.mark.parametrize("module", [avletters, cuave])
def test_fixed_split(tmp_path, module):
    (write_letters if module is avletters else write_raw)(
        tmp_path, *([] if module is avletters else [module])
    )
    data = module.load_data(tmp_path, fold="holdout", validation=False)
    chosen = {"train": [], "test": []}
    for name, person, label in sorted(recordings(module)):
        held = name[1] == "3" if module is avletters else int(person[1:]) % 2
        chosen["test" if held else "train"].append(label)
    assert {part: y.tolist() for part, (_, y) in data.items()} == chosen
    assert len(chosen["test"]) > 1
    with pytest.raises(ValueError, match="validation: expected False with fold='holdout'"):
        module.load_data(tmp_path, fold="holdout")


def test_repetition_is_the_first_number_in_the_name():
    for name, third in (("A3_Anya-lips.mat", True), ("A1_Anya_3.mat", False), ("A2_Yi", False)):
        assert avletters._KIND.holdout(name, "Anya") is third


def test_last_fold(tmp_path):
    write_raw(tmp_path, cuave)
    for name in ("Video frames/s36_zero_3.npy", "MFCCs/s36_zero_3.mfcc"):
        assert (tmp_path / name).is_file()
    # The people of the test part hold all the classes here, so training lacks most.
    with pytest.raises(ValueError, match="cuave, part 'train': expected `labels`.*absent"):
        cuave.load_data(tmp_path, fold=8)
    with pytest.raises(ValueError, match=r"recordings of \('s13', .* the part 'validation'"):
        cuave.load_data(tmp_path, fold=2)


@pytest.mark.parametrize("fold", [-1, 15, 0.0, True, "holdout"])
def test_bad_fold_and_form(tmp_path, fold):
    with pytest.raises(ValueError, match="fold: expected an int from 0 to 14. Received"):
        xflow_digits.load_data(tmp_path, fold=fold)
    with pytest.raises(ValueError, match="form: expected 'averaged' or 'sequences'"):
        xflow_digits.load_data(tmp_path, form="lstm")


def test_raw_files_that_do_not_pair(tmp_path):
    write_raw(tmp_path, xflow_digits)
    (tmp_path / "MFCCs" / "3_Tudor_loud.mfcc").unlink()
    with pytest.raises(ValueError, match=r"missing file.*'Video frames': 13, 'MFCCs': 12"):
        xflow_digits.load_data(tmp_path)
    (tmp_path / "Video frames" / "5_Tudor_loud.npy").unlink()
    with pytest.raises(ValueError, match="3_Tudor_loud.npy beside 4_Tudor_loud.mfcc"):
        xflow_digits.load_data(tmp_path)
    write_raw(tmp_path, xflow_digits)
    (tmp_path / "Video frames" / "9_Tudor_loud.npy").rename(tmp_path / "Video frames" / "9_X.npy")
    with pytest.raises(ValueError, match="9_X.npy: expected a name that says the class and one"):
        xflow_digits.load_data(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("Video frames/3_Tudor_loud.npy", b"", "is not a complete raw float64 file"),
        ("Video frames/3_Tudor_loud.npy", bytes(90 * 120 * 8 * 6 - 1), "not a complete raw float"),
        ("MFCCs/3_Tudor_loud.mfcc", bytes(26 * 8 * 7 + 8), "is not a complete raw float64 file"),
        ("MFCCs/3_Tudor_loud.mfcc", b"\xff" * 26 * 8 * 7, "expected finite `values`"),
        ("MFCCs/3_Tudor_loud.mfcc", bytes(26 * 8 * 5), "at least 6 steps. Received: 5"),
    ],
)
def test_broken_raw_files(tmp_path, file, content, message):
    write_raw(tmp_path, xflow_digits)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(ValueError, match=f"3_Tudor_loud.*{message}"):
        xflow_digits.load_data(tmp_path)


def test_too_long_sequences(tmp_path):
    write_raw(tmp_path, xflow_digits, lengths=(6, 60))
    xflow_digits.load_data(tmp_path, form="sequences")
    for name, _, _ in recordings(xflow_digits):
        np.zeros((60, 26)).tofile(tmp_path / "MFCCs" / f"{name}.mfcc")
    name = recordings(xflow_digits)[0][0]
    np.zeros((59, 90, 120)).tofile(tmp_path / "Video frames" / f"{name}.npy")
    with pytest.raises(ValueError, match="expected 1 to 58 steps of sound. Received: 59"):
        xflow_digits.load_data(tmp_path, form="sequences")


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="Missing: Video frames, MFCCs.*'cuave'"):
        cuave.load_data(tmp_path)


def test_spectrogram(tmp_path):
    values = np.random.default_rng(0).normal(size=(128, 25))
    path = tmp_path / "3_Dani_loud.npy"
    values.astype("<f8").tofile(path)
    np.testing.assert_allclose(
        xflow_digits.parse_spectrogram(path), windows(values.T, 19).T, rtol=1e-5, atol=1e-6
    )
    values[:, :18].tofile(path)
    with pytest.raises(ValueError, match="3_Dani_loud.npy.*at least 19 steps. Received: 18"):
        xflow_digits.parse_spectrogram(path)


def test_sound_as_spectrograms(tmp_path):
    write_raw(tmp_path, xflow_digits)
    coefficients = xflow_digits.load_data(tmp_path)
    (tmp_path / "MFCCs").rename(tmp_path / "Spectrograms")
    rng = np.random.default_rng(0)
    for path in (tmp_path / "Spectrograms").glob("*.mfcc"):
        rng.normal(size=(128, rng.integers(19, 30))).astype("<f8").tofile(path)
    data = xflow_digits.load_data(tmp_path, spectrogram=True)
    for part, (x, y) in data.items():
        np.testing.assert_array_equal(y, coefficients[part][1])
        np.testing.assert_array_equal(x["image"], coefficients[part][0]["image"])
        assert x["audio"].shape == (len(y), 128, 19, 1) and x["audio"].dtype == "float32"
    (x, _), person = data["test"], xflow_digits.PEOPLE[0]
    names = sorted(name for name, who, _ in recordings(xflow_digits) if who == person)
    for name, found in zip(names, x["audio"], strict=True):
        path = tmp_path / "Spectrograms" / f"{name}.mfcc"
        np.testing.assert_array_equal(found[..., 0], xflow_digits.parse_spectrogram(path))
    with pytest.raises(ValueError, match="'averaged' with spectrogram=True.*'sequences'"):
        xflow_digits.load_data(tmp_path, form="sequences", spectrogram=True)
    np.zeros((128, 18)).tofile(path)
    with pytest.raises(ValueError, match=rf"{name}.npy and {path.name}: .*at least 19 steps"):
        xflow_digits.load_data(tmp_path, spectrogram=True)


# AVletters: MATLAB files and text.


def test_letters(tmp_path, monkeypatch):
    written = write_letters(tmp_path / "avletters", extra_frames=3)
    monkeypatch.setenv("KERAS_FUSION_DATA", str(tmp_path))
    data, sequences = avletters.load_data(), avletters.load_data(form="sequences")
    assert {part: y.tolist() for part, (_, y) in data.items()} == {
        "train": list(range(26)),
        "validation": [0],
        "test": [1, 5],
    }
    chosen = [name for name, person, _ in sorted(recordings(avletters)) if person == "Anya"]
    (x, _), (padded, _) = data["test"], sequences["test"]
    assert x["image"].shape == (2, 80, 60, 11) and x["audio"].shape == (2, 286)
    assert padded["image"].shape == (2, 39, 80, 60, 1) and padded["audio"].shape == (2, 39, 26)
    for i, name in enumerate(chosen):
        image, sound = written[name]
        # One window for both, from the number of steps of the sound.
        window = len(sound) - 11 + 1
        expected = np.stack([image[j : j + window].mean(axis=0) for j in range(11)], axis=-1)
        np.testing.assert_allclose(x["image"][i], expected, rtol=1e-5)
        np.testing.assert_allclose(x["audio"][i], windows(sound, 11).ravel(), rtol=1e-4, atol=1e-6)
        steps = len(sound)
        np.testing.assert_array_equal(padded["image"][i, :steps, ..., 0], image[:steps])
        np.testing.assert_allclose(padded["audio"][i, :steps], sound, rtol=1e-5)
        assert not padded["image"][i, steps:].any() and not padded["audio"][i, steps:].any()


def test_fewer_frames_than_sound(tmp_path):
    write_letters(tmp_path, extra_frames=0)
    assert avletters.load_data(tmp_path)["test"][0]["image"].shape == (2, 80, 60, 11)
    with pytest.raises(ValueError, match=r"-lips.mat and .*text: expected 1 to 11 steps"):
        avletters.load_data(tmp_path, form="sequences")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(" 7.1250", "", 40).replace("12:  ", ""), "expected 26 numbers"),
        (lambda text: "", "no set of coefficients"),
        (lambda text: text + "\u00e9", "ascii"),
    ],
)
def test_broken_coefficients(tmp_path, change, message):
    path = tmp_path / "A1_Anya.text"
    text = mfcc_text(np.random.default_rng(0).normal(size=(12, 26)))
    path.write_text(change(text), encoding="utf-8")
    with pytest.raises(ValueError, match=f"A1_Anya.text is not a complete text file.*{message}"):
        avletters.parse_mfcc(path)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"vid": np.zeros((4800, 12))}, r"lacks the variables \['siz'\]"),
        ({"vid": np.zeros((4800, 12)), "siz": [60.0, 80.0, 13.0]}, "are not 13.0 frames"),
        ({"vid": np.zeros((4800, 12)), "siz": [60.0, 80.0, 11.5]}, "are not 11.5 frames"),
        ({"vid": np.zeros((4800, 12)), "siz": [60.0, 12.0]}, "three in `siz`"),
        ({"vid": "frames", "siz": [60.0, 80.0, 12.0]}, "numbers in `vid`"),
        ({"vid": np.full((4800, 12), np.nan), "siz": [60.0, 80.0, 12.0]}, "finite `vid`"),
    ],
)
def test_other_variables(tmp_path, held, message):
    savemat = pytest.importorskip("scipy.io", reason="needs SciPy").savemat
    path = tmp_path / "A1_Anya.mat"
    savemat(path, held)
    with pytest.raises(ValueError, match=f"A1_Anya.mat.*{message}"):
        avletters.parse_lips(path)


def test_truncated_mat(tmp_path):
    savemat = pytest.importorskip("scipy.io", reason="needs SciPy").savemat
    path = tmp_path / "A1_Anya.mat"
    for options in ({"format": "4"}, {"do_compression": False}, {"do_compression": True}):
        video = np.random.default_rng(0).normal(size=(4800, 12))
        savemat(path, {"siz": [60.0, 80.0, 12.0], "vid": video}, **options)
        whole = path.read_bytes()
        for broken in (b"", whole[:100], whole[: len(whole) // 2], b"no file" * 40):
            path.write_bytes(broken)
            with pytest.raises(ValueError, match="A1_Anya.mat is not a complete MATLAB file"):
                avletters.parse_lips(path)

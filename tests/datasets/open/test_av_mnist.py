"""AV-MNIST: which sources are paired, the parts, the values, the cache, and broken sources."""

import json
import os
import shutil

import numpy as np
import pytest

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("scipy")

from helpers import tiny_sounds  # noqa: E402

from keras_fusion.datasets import audio, av_mnist  # noqa: E402
from keras_fusion.datasets._io import array_cache  # noqa: E402
from keras_fusion.datasets.open import _av_mnist_pairs, _spoken_digits  # noqa: E402

PARTS = {"train": 50, "validation": 10, "test": 20}
RECORDINGS = 10 * len(tiny_sounds.SPEAKERS)  # with one index


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    tiny_sounds.write_all(folder)
    return folder


@pytest.fixture
def sources(written, monkeypatch):
    """Small sources that pass for the published ones; not to be changed."""
    tiny_sounds.expect_small(monkeypatch, written)
    return written


@pytest.fixture
def own_sources(written, monkeypatch, tmp_path):
    """The same, to be damaged."""
    folder = tmp_path / "sources"
    shutil.copytree(written, folder)
    tiny_sounds.expect_small(monkeypatch, folder)
    return folder


def manifest(data):
    place = os.path.dirname(data["train"][0]["audio"].filename)
    with open(os.path.join(place, "manifest.json"), encoding="utf-8") as file:
        return json.load(file)


class Pair:
    """What a pair is made of, as the plan says."""

    def __init__(self, plan, row):
        self.digit = plan.digits[row]
        self.recording = plan.recordings[plan.recording[row]]
        self.noise = plan.noises[plan.noise[row]]
        self.noise_db = plan.noise_db[row]


def all_pairs(folder, **arguments):
    sources = _av_mnist_pairs.Sources(folder, av_mnist._sound_recipe(**arguments))
    plans = {part: sources.plan(part) for part in PARTS}
    return {part: [Pair(plans[part], i) for i in range(count)] for part, count in PARTS.items()}


def test_pairs(sources, tmp_path):
    data = av_mnist.load_data(sources, cache_dir=tmp_path)
    assert list(data) == list(PARTS)
    with np.load(sources / "mnist.npz") as arrays:
        labels = [arrays["y_train"][:50], arrays["y_train"][50:], arrays["y_test"]]
    pairs = all_pairs(sources)
    for (part, (x, y)), expected in zip(data.items(), labels, strict=True):
        assert [pair.digit for pair in pairs[part]] == list(y)
        assert sorted(x) == ["audio", "image"]
        assert x["image"].shape == (PARTS[part], 28, 28, 1) and x["image"].dtype == "uint8"
        assert x["audio"].shape == (PARTS[part], 112, 112, 1) and x["audio"].dtype == "uint8"
        assert isinstance(x["audio"], np.memmap) and not x["audio"].flags.writeable
        assert y.dtype == "int32"
        np.testing.assert_array_equal(y, expected)
        # Every row against its own sound: none is another's.
        for i in (0, 7, PARTS[part] - 1):
            mixed = av_mnist.sound(part, i, sources)
            assert mixed.digit == y[i] == int(mixed.recording.name[0])
            planned = pairs[part][i]
            assert (mixed.recording, mixed.noise) == (planned.recording, planned.noise)
            picture = audio.spectrogram(mixed.signal, 112)
            np.testing.assert_allclose(x["audio"][i, ..., 0], np.rint(255 * picture), atol=1)
    assert manifest(data)["pairs"] == PARTS


def test_a_sound_is_its_recording_in_its_noise(sources):
    mixed = av_mnist.sound("train", 3, sources, noise_db=3)
    speech = audio.trim(audio.read(mixed.recording), 40)
    clip = audio.read(mixed.noise)
    rest = mixed.signal - audio.centered(speech, 7952)
    assert mixed.signal.shape == (7952,) and mixed.sample_rate == 8000
    ratio = np.mean(speech**2) / np.mean(rest**2)
    assert 10 * np.log10(ratio) == pytest.approx(3, abs=0.01)
    # These clips are short and go on from their beginning.
    assert len(clip) < 7952
    repeated = np.resize(clip, 7952)
    assert np.corrcoef(rest, repeated)[0, 1] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("split", ["official", "speaker"])
def test_parts_share_no_recording_and_no_noise(sources, split):
    pairs = all_pairs(sources, split=split, speaker="theo")
    recordings = {part: {s.recording.stem for s in found} for part, found in pairs.items()}
    noises = {part: {s.noise.name for s in found} for part, found in pairs.items()}
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not recordings[one] & recordings[other]
        assert not noises[one] & noises[other]
    folds = {part: {int(name[0]) for name in names} for part, names in noises.items()}
    assert folds == {"train": {1, 2, 3}, "validation": {4}, "test": {5}}
    split_names = {part: [s.split("_") for s in found] for part, found in recordings.items()}
    if split == "official":
        indices = {part: {int(name[2]) for name in names} for part, names in split_names.items()}
        assert indices["test"] <= set(range(5)) and indices["validation"] <= set(range(5, 9))
        assert indices["train"] == {9, 10}
    else:
        assert {name[1] for name in split_names["test"]} == {"theo"}
        others = split_names["train"] + split_names["validation"]
        assert {name[1] for name in others} == {"george"}


def test_recordings_and_noises_are_used_equally_often(sources):
    pairs = all_pairs(sources)["train"]
    # 5 images of a digit for 4 recordings; 50 pairs for 30 clips.
    used = [sum(s.recording == r for s in pairs) for r in {s.recording for s in pairs}]
    assert len(used) == 40 and set(used) == {1, 2}
    used = [sum(s.noise == n for s in pairs) for n in {s.noise for s in pairs}]
    assert len(used) == 30 and set(used) == {1, 2}


def test_workers_and_time_change_nothing(sources, tmp_path, monkeypatch):
    monkeypatch.setattr(_av_mnist_pairs, "_CHUNK", 3)
    hashes = {}
    for workers in (1, 2, 5):
        if workers == 5:  # the first pieces take longest
            mix = audio.mix
            monkeypatch.setattr(audio, "mix", _Slow(mix))
        data = av_mnist.load_data(sources, cache_dir=tmp_path / str(workers), workers=workers)
        hashes[workers] = manifest(data)["sha256"]
    assert len(set(hashes.values())) == 1
    other = av_mnist.load_data(sources, seed=1, cache_dir=tmp_path)
    assert manifest(other)["sha256"] != hashes[1]


class _Slow:
    def __init__(self, mix):
        self.mix, self.calls = mix, 0

    def __call__(self, *arguments):
        import time

        self.calls += 1
        time.sleep(0.02 / self.calls)
        return self.mix(*arguments)


def test_the_cache_is_used_once_it_is_whole(sources, tmp_path, monkeypatch):
    built = []
    build = _av_mnist_pairs.build
    monkeypatch.setattr(_av_mnist_pairs, "build", lambda *a: (built.append(1), build(*a)))
    before = av_mnist.load_data(sources, cache_dir=tmp_path)
    again = av_mnist.load_data(sources, cache_dir=tmp_path)
    assert len(built) == 1
    np.testing.assert_array_equal(before["test"][0]["audio"], again["test"][0]["audio"])
    path = before["test"][0]["audio"].filename
    expected = manifest(before)["sha256"]
    del before, again
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x07")
    repaired = av_mnist.load_data(sources, cache_dir=tmp_path)
    assert len(built) == 2 and manifest(repaired)["sha256"] == expected
    # Every argument that changes the arrays makes other ones.
    changes = ({}, {"noise_db": (-6, 0)}, {"normalize": "fixed"}, {"energy": 0.3},
               {"leading": None}, {"split": "speaker"}, {"hop": 64})  # fmt: skip
    hashes = {expected}
    for number, change in enumerate(changes):
        data = av_mnist.load_data(sources, cache_dir=tmp_path, limit=5, **change)
        hashes.add(manifest(data)["sha256"])
        assert len(hashes) == number + 2
        assert {part: len(y) for part, (_, y) in data.items()} == dict.fromkeys(PARTS, 5)


def test_other_contents_of_the_sources_are_another_set(own_sources, tmp_path):
    first = av_mnist.load_data(own_sources, cache_dir=tmp_path)
    path = own_sources / "fsdd" / "recordings" / "3_theo_9.wav"
    contents = path.read_bytes()
    path.write_bytes(contents[:44] + contents[:43:-1])  # as long as before
    second = av_mnist.load_data(own_sources, cache_dir=tmp_path)
    assert manifest(first)["sha256"] != manifest(second)["sha256"]


def tiny_noise(seed, samples=9000):
    return 0.2 * np.random.default_rng(seed).standard_normal(samples)


def test_noise_between_two_ratios(sources):
    ratios = [s.noise_db for s in all_pairs(sources, noise_db=(-3, 6))["train"]]
    assert -3 <= min(ratios) < 0 and 3 < max(ratios) <= 6


def test_noise_is_taken_from_where_there_is_some():
    clip = np.zeros(4000, "float32")
    clip[2500:2600] = tiny_noise(0, 100)
    begins = _av_mnist_pairs._loud_places(clip, 500)
    assert set(begins) == set(range(2080, 2600, 80))
    assert list(_av_mnist_pairs._loud_places(np.zeros(500), 500)) == [0]


def test_both_layouts_of_the_noise(own_sources, tmp_path):
    tiny_sounds.write_esc50(own_sources)
    found = {
        kind: {s.noise.suffix for s in all_pairs(own_sources, noise=kind)["train"]}
        for kind in ("auto", "esc50", "esc10")
    }
    assert found == {"auto": {".wav"}, "esc50": {".wav"}, "esc10": {".ogg"}}
    data = av_mnist.load_data(own_sources, cache_dir=tmp_path)
    assert data["test"][0]["audio"].any()
    folds = {s.noise.name[0] for s in all_pairs(own_sources)["test"]}
    assert folds == {"5"}


def test_image_is_quantized_and_of_the_energy_asked_for(sources, tmp_path):
    with np.load(sources / "mnist.npz") as arrays:
        pixels = arrays["x_train"][:50].reshape(50, -1) / 255
    energies = {}
    for energy in (0.25, 0.5):
        x, _ = av_mnist.load_data(sources, energy=energy, leading=30, cache_dir=tmp_path)["train"]
        low, high = av_mnist.IMAGE_RANGE
        view = x["image"].reshape(50, -1) / 255 * (high - low) + low
        centred = view - pixels.mean(axis=0)
        energies[energy] = (centred**2).sum() / ((pixels - pixels.mean(axis=0)) ** 2).sum()
    assert energies == {0.25: pytest.approx(0.25, abs=0.01), 0.5: pytest.approx(0.5, abs=0.01)}


# Broken sources: an error that names the file and the fix, and nothing in the cache.


def remove(pattern):
    def damage(folder):
        for path in sorted(folder.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return damage


def cut(pattern):
    def damage(folder):
        path = sorted(folder.glob(pattern))[0]
        path.write_bytes(path.read_bytes()[:-9])

    return damage


def empty(folder):
    soundfile.write(folder / "fsdd/recordings/3_theo_9.wav", np.zeros(0), 8000)


def stranger(folder):
    shutil.copy(folder / "fsdd/recordings/3_theo_2.wav", folder / "fsdd/recordings/3_eve_2.wav")


def esc50_without_a_clip(folder):
    tiny_sounds.write_esc50(folder)
    remove("ESC-50/audio/2-*.wav")(folder)


def esc50_without_a_column(folder):
    tiny_sounds.write_esc50(folder)
    table = folder / "ESC-50" / "meta" / "esc50.csv"
    table.write_text(table.read_text().replace("fold,", "part,"))


def esc50_without_a_fold(folder):
    tiny_sounds.write_esc50(folder)
    table = folder / "ESC-50" / "meta" / "esc50.csv"
    table.write_text("\n".join(row for row in table.read_text().splitlines() if row[0] != "5"))


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (remove("fsdd"), FileNotFoundError, "Free Spoken Digit Dataset in .*recordings"),
        (remove("fsdd/recordings/*_theo_*"), FileNotFoundError,
         "Missing: 110, .*the speakers ..theo.., first 0_theo_0.wav"),
        (remove("fsdd/recordings/7_*"), FileNotFoundError, "Missing: 22, of the digits ..7.."),
        (stranger, ValueError, "move the others away. Received: 3_eve_2.wav"),
        (cut("fsdd/recordings/0_theo_9.wav"), ValueError,
         "0_theo_9.wav is not a complete sound file.*get it again"),
        (empty, ValueError, "3_theo_9.wav: expected a sound. Received: 0 samples"),
        (remove("esc10"), FileNotFoundError, "expected noise clips in .*ESC-50, or .*esc10"),
        (remove("esc10/004*"), FileNotFoundError, "esc10: expected 10 folders .*Received: 9"),
        (remove("esc10/005*/3-*"), FileNotFoundError, "others than that: ..005 - Class4"),
        (cut("esc10/006*/2-*"), ValueError, r"2-52-A.ogg is not a complete sound file"),
        (esc50_without_a_clip, FileNotFoundError, "Missing: 1, first 2-1002-A-0.wav"),
        (esc50_without_a_column, ValueError, "esc50.csv is not a complete .csv file"),
        (esc50_without_a_fold, ValueError, "esc50.csv.*folds are not 1 to 5"),
        (remove("mnist.npz"), FileNotFoundError, "mnist.npz"),
        (cut("mnist.npz"), ValueError, "mnist.npz is not a complete .npz file"),
    ],
)  # fmt: skip
def test_broken_sources(own_sources, tmp_path, damage, error, message):
    damage(own_sources)
    cache = tmp_path / "cache"
    with pytest.raises(error, match=message):
        av_mnist.load_data(own_sources, cache_dir=cache, noise="auto")
    assert not cache.exists() or not list(cache.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "random"}, "split: expected one of"),
        ({"split": "speaker", "speaker": "eve"}, "speaker: expected one of"),
        ({"split": "speaker", "speaker": None}, "speaker: expected one of"),
        ({"seed": -1}, "seed: expected an integer >= 0"),
        ({"seed": None}, "seed: expected an integer"),
        ({"energy": 0}, "energy: expected a float in"),
        ({"energy": 0.99}, "energy: expected at most 0.[0-9]+, what the 12 leading"),
        ({"leading": 0}, "leading: expected an integer >= 1"),
        ({"noise": "esc"}, "noise: expected one of"),
        ({"noise_db": None}, "noise_db: expected a finite number"),
        ({"noise_db": (3, 0)}, "noise_db: expected a finite number"),
        ({"limit": 0}, "limit: expected an integer >= 1"),
        ({"workers": 0}, "workers: expected an integer >= 1"),
        ({"window": 225}, "window: expected an even integer"),
    ],
)
def test_bad_arguments(sources, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        av_mnist.load_data(sources, cache_dir=tmp_path, **arguments)
    assert not list(tmp_path.iterdir())


def test_bad_arguments_of_sound(sources):
    for part, index, options, message in (
        ("dev", 0, {}, "part: expected one of"),
        ("test", 20, {}, "index: expected 0 to 19"),
    ):
        with pytest.raises(ValueError, match=message):
            av_mnist.sound(part, index, sources, **options)
    with pytest.raises(TypeError, match="window"):
        av_mnist.sound("test", 0, sources, window=2)
    with pytest.raises(FileNotFoundError, match="KERAS_FUSION_DATA to name the folder"):
        av_mnist.load_data()


def test_missing_soundfile_is_said(sources, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    with pytest.raises(ImportError, match=r"pip install keras_fusion\[audio\]"):
        av_mnist.load_data(sources, cache_dir=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.data
@pytest.mark.skipif(
    not os.environ.get("KERAS_FUSION_DATA"),
    reason="needs fsdd and esc10 in the folder named by KERAS_FUSION_DATA",
)
def test_real_sources(data_dir):
    found = {
        split: {
            part: sum(map(len, digits.values()))
            for part, digits in _spoken_digits.digits(data_dir, split, "theo").items()
        }
        for split in ("official", "speaker")
    }
    assert found == {
        "official": {"train": 2460, "validation": 240, "test": 300},
        "speaker": {"train": 2250, "validation": 250, "test": 500},
    }
    noises = _spoken_digits.noises(data_dir, "esc10")
    assert {part: len(paths) for part, paths in noises.items()} == {
        "train": 240,
        "validation": 80,
        "test": 80,
    }
    mixed = av_mnist.sound("test", 0, data_dir, noise="esc10")
    assert mixed.digit == 7 and mixed.recording.name.startswith("7_")
    assert 0.1 < np.abs(mixed.signal).max() < 10


def test_the_cache_folder_is_named_after_the_arguments(sources, tmp_path):
    data = av_mnist.load_data(sources, limit=3, cache_dir=tmp_path)
    place = array_cache.folder(tmp_path, "av_mnist", manifest(data)["key"])
    assert [p.name for p in tmp_path.iterdir()] == [place.name]

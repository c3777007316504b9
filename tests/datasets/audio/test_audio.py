"""Sound: decoding, resampling, trimming, mixing, spectrograms, and the same inside tf.data."""

import struct

import keras
import numpy as np
import pytest

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("scipy")

from keras_fusion.datasets import audio  # noqa: E402
from keras_fusion.datasets.audio import reading, spectrograms  # noqa: E402

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.data: once is enough"
)


def tone(hertz, rate, seconds=0.5, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def word(rate=8000, seed=0):
    """A sweep between two silences: all of it is easy to hear but for its ends."""
    time = np.arange(rate // 2) / rate
    sweep = 0.5 * np.sin(2 * np.pi * (300 * time + 2000 * time**2)) * np.hanning(len(time))
    noise = 1e-2 * np.random.default_rng(seed).standard_normal(len(time))
    return np.concatenate([np.zeros(rate // 10), sweep + noise, np.zeros(rate // 5)])


# Reading.


@pytest.mark.parametrize(
    ("suffix", "options", "tolerance"),
    [
        (".wav", {"subtype": "PCM_16"}, 1e-4),
        (".wav", {"subtype": "PCM_24"}, 1e-6),
        (".wav", {"subtype": "PCM_U8"}, 1e-2),
        (".wav", {"subtype": "FLOAT"}, 1e-7),
        (".flac", {}, 1e-4),
        (".ogg", {"format": "OGG", "subtype": "VORBIS"}, 5e-2),
    ],
)
def test_formats(tmp_path, suffix, options, tolerance):
    signal = tone(440, 8000)
    path = tmp_path / f"sound{suffix}"
    soundfile.write(path, signal, 8000, **options)
    read = audio.read(path)
    assert read.dtype == "float32" and read.shape == signal.shape
    np.testing.assert_allclose(read, signal, atol=tolerance)


@pytest.mark.parametrize("rate", [4000, 11025, 22050, 44100, 48000])
def test_other_rates_are_resampled(tmp_path, rate):
    path = tmp_path / "sound.wav"
    soundfile.write(path, tone(440, rate), rate, subtype="FLOAT")
    read = audio.read(path)
    assert read.shape == (4000,)
    np.testing.assert_allclose(read[400:-400], tone(440, 8000)[400:-400], atol=2e-3)


def test_channels_are_averaged(tmp_path):
    left, right = tone(440, 8000), tone(1000, 8000)
    soundfile.write(tmp_path / "s.wav", np.stack([left, right], axis=1), 8000, subtype="FLOAT")
    np.testing.assert_allclose(audio.read(tmp_path / "s.wav"), (left + right) / 2, atol=1e-6)


def test_stereo_of_24_bit_and_another_rate_at_once(tmp_path):
    both = np.stack([tone(440, 44100), np.zeros(22050)], axis=1)
    soundfile.write(tmp_path / "s.wav", both, 44100, subtype="PCM_24")
    received = audio.read(tmp_path / "s.wav")
    assert received.shape == (4000,) and received.dtype == "float32"
    np.testing.assert_allclose(received[400:-400], tone(440, 8000)[400:-400] / 2, atol=2e-3)


@pytest.mark.parametrize("suffix", [".wav", ".ogg"])
@pytest.mark.parametrize("kept", [0, 3, 20, 44, 60, 0.5, 0.99, -1])
def test_truncated(tmp_path, suffix, kept):
    path = tmp_path / f"cut{suffix}"
    soundfile.write(path, word(), 8000)
    contents = path.read_bytes()
    kept = round(kept * len(contents)) if isinstance(kept, float) else kept
    path.write_bytes(contents[:kept])
    with pytest.raises(ValueError, match=f"cut{suffix} is not a complete sound file.*get it again"):
        audio.read(path)


def test_ogg_without_its_last_pages(tmp_path):
    path = tmp_path / "cut.ogg"
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, 40_000), 8000)
    contents = path.read_bytes()
    path.write_bytes(contents[: contents.rindex(b"OggS")])  # whole pages, as a player would take
    with pytest.raises(ValueError, match="cut.ogg.*its last page is missing"):
        audio.read(path)


def test_nothing_to_hear(tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 8000)
    with pytest.raises(ValueError, match="empty.wav: expected a sound. Received: 0 samples"):
        audio.read(tmp_path / "empty.wav")
    soundfile.write(tmp_path / "nan.wav", [0.1, np.nan], 8000, subtype="FLOAT")
    with pytest.raises(ValueError, match="nan.wav: expected finite samples"):
        audio.read(tmp_path / "nan.wav")
    (tmp_path / "text.wav").write_text("no sound " * 20)
    with pytest.raises(ValueError, match="text.wav is not a complete sound file"):
        audio.read(tmp_path / "text.wav")
    with pytest.raises(FileNotFoundError, match="no.wav"):
        audio.read(tmp_path / "no.wav")
    # A rate of four billion would ask for a filter of as many taps.
    soundfile.write(tmp_path / "rate.wav", np.zeros(9), 8000)
    contents = bytearray((tmp_path / "rate.wav").read_bytes())
    struct.pack_into("<I", contents, 24, 2_000_000_011)
    (tmp_path / "rate.wav").write_bytes(contents)
    with pytest.raises(ValueError, match="rate.wav.*its sample rate is"):
        audio.read(tmp_path / "rate.wav")


@pytest.mark.parametrize("suffix", [".wav", ".ogg"])
def test_mutated_bytes_raise_only_our_errors(tmp_path, suffix):
    whole = tmp_path / f"whole{suffix}"
    soundfile.write(whole, word()[:3000], 8000)
    contents = whole.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        mutated = bytearray(contents[: rng.integers(1, len(contents) + 1)])
        for place in rng.integers(0, min(len(mutated), 120), rng.integers(0, 4)):
            mutated[place] = rng.integers(256)
        path = tmp_path / f"mutated{suffix}"
        path.write_bytes(mutated)
        try:
            assert np.isfinite(audio.read(path)).all()
        except ValueError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > 20


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_plain_wav_is_read_as_by_soundfile(tmp_path, channels):
    path = tmp_path / "sound.wav"
    values = np.random.default_rng(0).integers(-32768, 32768, (999, channels), dtype="int16")
    soundfile.write(path, values, 11025)
    received, rate = reading.decode(path)
    expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
    np.testing.assert_array_equal(received, expected)
    assert received.dtype == "float32" and rate == 11025


# Signals.


def test_resample_keeps_tones_below_half_the_new_rate():
    kept = audio.resample(tone(1000, 44100, 1), 44100, 8000)
    gone = audio.resample(tone(6000, 44100, 1), 44100, 8000)
    assert kept.shape == gone.shape == (8000,)
    assert np.std(gone[100:-100]) < 0.01 * np.std(kept)
    assert np.abs(np.fft.rfft(kept)).argmax() == 1000


def test_trim():
    signal = np.array([0, 0.009, 0.5, 0, 0.02, -1, 0.005, 0])
    np.testing.assert_allclose(audio.trim(signal, 40), signal[2:6])
    np.testing.assert_allclose(audio.trim(signal, 6.5), signal[2:6])
    np.testing.assert_allclose(audio.trim(signal, 3), signal[5:6])
    np.testing.assert_allclose(audio.trim(signal, 60), signal[1:7])
    np.testing.assert_allclose(audio.trim(signal, None), signal)
    np.testing.assert_allclose(audio.trim(np.zeros(4)), np.zeros(4))


@pytest.mark.parametrize("noise_db", [-12, 0, 7.5])
@pytest.mark.parametrize("length", [300, 1000, 1500])
def test_mix_has_the_ratio_asked_for(noise_db, length):
    rng = np.random.default_rng(0)
    signal, noise = 3 * rng.standard_normal(length), 0.1 * rng.standard_normal(1000)
    mixed = audio.mix(signal, noise, noise_db)
    heard = audio.centered(signal, 1000)
    ratio = np.mean(signal[max(length - 1000, 0) // 2 :][:1000] ** 2)
    ratio /= np.mean((mixed - heard) ** 2)
    assert mixed.shape == (1000,) and mixed.dtype == "float32"
    assert 10 * np.log10(ratio) == pytest.approx(noise_db, abs=1e-3)
    # What is added is the noise and nothing else.
    assert np.corrcoef(mixed - heard, noise)[0, 1] == pytest.approx(1, abs=1e-6)


def test_mix_with_silence():
    np.testing.assert_array_equal(audio.mix([1, 2], np.zeros(4), 0), [0, 1, 2, 0])
    np.testing.assert_array_equal(audio.mix([0, 0], np.ones(4), 0), np.zeros(4))


# Spectrograms.


@pytest.mark.parametrize("samples", [500, 1000, 1420, 3000])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"frequencies": "mel", "bins": 20},
        {"scale": "linear", "normalize": "fixed"},
        {"range_db": 50, "normalize": "fixed", "hop": 300, "fft_length": 512},
    ],
)
def test_spectrogram_against_the_equation(samples, options):
    signal = np.random.default_rng(0).uniform(-1, 1, samples).astype("float32")
    options = {"window": 64, "hop": 71, "bins": 32, "frames": 20, **options}
    received = audio.spectrogram(signal, **options)
    settings = spectrograms.Settings(**options)
    hop, points = options["hop"], settings.points
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(64) / 64)
    padded = np.pad(signal.astype("float64"), (0, 20 * hop + 64))
    padded[20 * hop :] = 0  # longer signals are cut
    magnitude = np.zeros((options["bins"], 20))
    for t in range(20):
        spectrum = np.abs(np.fft.rfft(padded[t * hop : t * hop + 64] * hann, points))
        if "frequencies" in options:
            magnitude[:, t] = spectrum @ settings.mel_matrix.astype("float64")
        else:
            magnitude[:, t] = spectrum[:32]
    reference = 16 if "normalize" in options else magnitude.max()
    if "scale" in options:
        expected = magnitude / reference
    else:
        level = 20 * np.log10(np.maximum(magnitude, 1e-10) / reference)
        expected = 1 + level / options.get("range_db", 80)
    np.testing.assert_allclose(received, np.clip(expected, 0, 1), atol=2e-4)


def test_a_sine_of_amplitude_one_is_full_scale():
    sine = tone(1000, 8000, amplitude=1)  # bin 28 of 224
    for scale in ("log", "linear"):
        picture = audio.spectrogram(sine, normalize="fixed", scale=scale)
        assert picture[:, 20].argmax() == 28
        assert picture[28, 20] == pytest.approx(1, abs=1e-3)
    half = audio.spectrogram(sine / 2, normalize="fixed", range_db=40)
    assert half[28, 20] == pytest.approx(1 - 6.02 / 40, abs=1e-3)


def test_batches_silence_and_lengths():
    signals = np.stack([word(), 0 * word(), 0.1 * word(seed=1)])
    pictures = audio.spectrogram(signals)
    assert pictures.shape == (3, 112, -(-signals.shape[1] // 71)) and not pictures[1].any()
    np.testing.assert_allclose(pictures[2], audio.spectrogram(word(seed=1)), atol=1e-3)
    assert pictures.min() == 0 and pictures.max() == 1


def test_mel_bands_are_those_of_tensorflow():
    tf = pytest.importorskip("tensorflow")
    for bins, rate, points in ((112, 8000, 1024), (40, 16000, 512)):
        settings = spectrograms.Settings(
            bins=bins, sample_rate=rate, fft_length=points, frequencies="mel"
        )
        expected = tf.signal.linear_to_mel_weight_matrix(bins, points // 2 + 1, rate, 0.0, rate / 2)
        np.testing.assert_allclose(settings.mel_matrix, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: audio.spectrogram([1.0], window=3), "window: expected an even integer"),
        (lambda: audio.spectrogram([1.0], hop=0), "hop: expected an integer >= 1"),
        (lambda: audio.spectrogram([1.0], bins=True), "bins: expected an integer >= 1"),
        (lambda: audio.spectrogram([1.0], frames=0), "frames: expected an integer >= 1 or None"),
        (lambda: audio.spectrogram([1.0], fft_length=64), "fft_length: expected at least the"),
        (lambda: audio.spectrogram([1.0], bins=200, fft_length=256), "bins: expected at most 129"),
        (lambda: audio.spectrogram([1.0], frequencies="mels"), "frequencies: expected one of"),
        (lambda: audio.spectrogram([1.0], scale="db"), "scale: expected one of"),
        (lambda: audio.spectrogram([1.0], normalize=None), "normalize: expected one of"),
        (lambda: audio.spectrogram([1.0], range_db=0), "range_db: expected a float > 0"),
        (
            lambda: audio.spectrogram([1.0], frequencies="mel", fft_length=256),
            "bins: [0-9]+ of 112 mel bands hold no frequency",
        ),
        (lambda: audio.spectrogram(np.zeros((2, 2, 2))), "signals: expected"),
        (lambda: audio.spectrogram([]), "signals: expected"),
        (lambda: audio.trim([1.0], 0), "decibels: expected a float > 0"),
        (lambda: audio.trim([]), "signal: expected one or more numbers"),
        (lambda: audio.centered([1.0], 0), "length: expected an integer >= 1"),
        (lambda: audio.mix([1.0], [[1.0]], 0), "noise: expected one or more numbers"),
        (lambda: audio.mix([1.0], [1.0], float("inf")), "noise_db: expected a finite number"),
        (lambda: audio.resample([1.0], 8000, 0), "new_rate: expected an integer >= 1"),
        (lambda: audio.read("a.wav", sample_rate=0.5), "sample_rate: expected an integer >= 1"),
        (lambda: audio.spectrogram_dataset(["a.wav"], decoder="x"), "decoder: expected"),
        (lambda: audio.spectrogram_dataset("a.wav"), "paths: expected a list of paths"),
        (lambda: audio.spectrogram_dataset([]), "paths: expected one or more"),
        (lambda: audio.spectrogram_dataset(["a.wav"], frames=None), "frames: expected"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Inside tf.data.


def write_files(folder):
    """16 bit wav and Ogg Vorbis at 8 kHz, and what tensorflow-io does not read as we do."""
    written = {
        "wav": [("a.wav", 8000, "PCM_16", 1), ("b.wav", 8000, "PCM_16", 2)],
        "ogg": [("c.ogg", 8000, "VORBIS", 1)],
        "others": [("d.wav", 8000, "PCM_24", 1), ("e.flac", 8000, "PCM_16", 1)],
        "resampled": [("f.wav", 44100, "PCM_16", 1), ("g.ogg", 22050, "VORBIS", 2)],
        "higher": [("h.wav", 4000, "PCM_16", 1)],
    }
    for files in written.values():
        for seed, (name, rate, subtype, channels) in enumerate(files):
            signal = np.stack([word(rate, seed + i) for i in range(channels)], axis=1)
            soundfile.write(folder / name, signal, rate, subtype=subtype)
    return {kind: [folder / name for name, *_ in files] for kind, files in written.items()}


def by_numpy(paths, trim_db=40, frames=112, **options):
    hop = options.get("hop", 71)
    signals = [audio.centered(audio.trim(audio.read(p), trim_db), frames * hop) for p in paths]
    return audio.spectrogram(np.stack(signals), frames, **options)


def by_tensorflow(paths, **options):
    return np.stack(list(audio.spectrogram_dataset(paths, **options).as_numpy_iterator()))


OPTIONS = [
    {},
    {"frequencies": "mel", "bins": 40, "frames": 60, "trim_db": None},
    {"scale": "linear", "normalize": "fixed", "window": 128, "hop": 64, "bins": 60},
]


@on_tensorflow
@pytest.mark.parametrize("options", OPTIONS)
def test_tf_data_with_soundfile_makes_the_same_spectrograms(tmp_path, options):
    pytest.importorskip("tensorflow")
    paths = [path for paths in write_files(tmp_path).values() for path in paths]
    received = by_tensorflow(paths, decoder="soundfile", **options)
    np.testing.assert_allclose(received, by_numpy(paths, **options), atol=1e-3)


@on_tensorflow
def test_tf_data_with_tensorflow_io_makes_the_same_spectrograms(tmp_path):
    pytest.importorskip("tensorflow_io")
    files = write_files(tmp_path)
    same_rate = files["wav"] + files["ogg"] + files["others"]
    for options in OPTIONS:
        received = by_tensorflow(same_rate, decoder="tensorflow_io", **options)
        np.testing.assert_allclose(received, by_numpy(same_rate, **options), atol=1e-3)
    # Resampled: the filters differ near half the lower rate (bin 95 is 3.4 of 4 kHz).
    received = by_tensorflow(files["resampled"], decoder="auto")
    difference = np.abs(received - by_numpy(files["resampled"]))
    assert difference[:, :95].mean() < 0.005 and difference.mean() < 0.03
    received = by_tensorflow(files["higher"], decoder="auto")
    assert np.abs(received - by_numpy(files["higher"])).mean() < 0.03


@on_tensorflow
def test_tf_data_says_what_is_wrong_before_it_begins(tmp_path):
    pytest.importorskip("tensorflow")
    soundfile.write(tmp_path / "good.wav", word(), 8000)
    contents = (tmp_path / "good.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(contents[:-2])
    with pytest.raises(ValueError, match="cut.wav is not a complete sound file"):
        audio.spectrogram_dataset([tmp_path / "good.wav", tmp_path / "cut.wav"])
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 8000)
    with pytest.raises(ValueError, match="empty.wav: expected a sound"):
        audio.spectrogram_dataset([tmp_path / "empty.wav"])
    with pytest.raises(FileNotFoundError, match="no.wav"):
        audio.spectrogram_dataset([tmp_path / "no.wav"])
    try:
        import tensorflow_io  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match=r"keras_fusion\[tfio\]"):
            audio.spectrogram_dataset([tmp_path / "good.wav"], decoder="tensorflow_io")

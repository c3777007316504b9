"""Audiovisual MNIST, made from its sources: a disturbed digit to see, a noisy one to hear.

Origin: the images are those of Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of
handwritten digits" (Creative Commons Attribution-Share Alike 3.0), the recordings are the Free
Spoken Digit Dataset (https://github.com/Jakobovski/free-spoken-digit-dataset, Creative Commons
Attribution-Share Alike 4.0), the noise is K. J. Piczak, "ESC: Dataset for Environmental Sound
Classification", ACM Multimedia 2015: ESC-50 (https://github.com/karolpiczak/ESC-50, Creative
Commons Attribution Non-Commercial 3.0) or ESC-10 (Creative Commons Attribution 3.0). The licence
of what is made of them is that of all three. They are put together as V. Vielzeuf et al. do,
"CentralNet: a Multilayer Approach for Multimodal Fusion", ECCV Workshops 2018, section 3.2.

The paper does not say which singular vectors it keeps, how loud the noise is, or how the
spectrograms are made, and did not publish its files; three sets that do not match are in use.
This one follows from its sources, its arguments and a seed.
"""

import dataclasses
import numbers
import pathlib

import numpy as np

from keras_fusion.datasets._io import array_cache, checks
from keras_fusion.datasets.audio.spectrograms import Settings
from keras_fusion.datasets.open import _av_mnist_pairs, _spoken_digits

SAMPLE_RATE = _av_mnist_pairs.SAMPLE_RATE
"""Samples of the sound in a second."""

IMAGE_RANGE = _av_mnist_pairs.IMAGE_RANGE
"""What 0 and 255 of the image stand for, where MNIST's pixels are from 0 to 1."""

_VERSION = 1  # of the files in the cache: to be raised when other values come out


def load_data(
    data_dir=None,
    split="official",
    speaker="theo",
    seed=0,
    energy=0.25,
    leading=12,
    noise="auto",
    noise_db=-6.0,
    window=224,
    hop=71,
    fft_length=None,
    frequencies="linear",
    scale="log",
    range_db=80.0,
    normalize="clip",
    limit=None,
    cache_dir=None,
    workers=2,
):
    """Builds 70,000 pairs of modalities `"image"` and `"audio"`, or opens what it built before.

    Use it for the paper's experiment on Table 4, and wherever two modalities of different kind
    are to be weak alone and strong together. Every image is paired with a recording of the same
    digit; `sound` gives a pair's sound to listen to.

    **Image**: MNIST rebuilt from singular vectors that hold `energy` in all, as in `mm_mnist`, with
    this difference: they are drawn among the `leading` ones. The paper's single modality reaches
    72.8 %; the fewest leading vectors with that energy (4) give 65 %, draws among all of them more
    than 80 %. Measured for the default (6 vectors), `lenet5` after 2 epochs of all training images:
    71.9 % of the test images. After 3 epochs of 10,000 it has 71.6 % of the validation images,
    and 74.1 and 79.0 % with `leading` 30 and 20. Other seeds draw other vectors: 15 nearest
    neighbours among 25,000 images have 73 to 80 % right over five seeds (73 % with seed 0).

    **Audio**: a recording is trimmed (`audio.trim`, 40 dB), put in the middle of 112 x `hop`
    samples, mixed with a part of a noise clip of that length (`audio.mix`) and transformed
    (`audio.spectrogram`). Parts of a noise clip that are 40 dB below its loudest one are not
    taken. All recordings are used equally often, all noise clips too; which image, recording and
    noise come together is drawn. The paper's single modality reaches 86.1 %. Measured at
    -6 dB with ESC-10, `audio_cnn` after 1 epoch of all training pairs: 80.8 % of the test pairs.
    After 2 epochs of 6,000 it has 60 % of 3,000 validation pairs, at -10 dB 49 %.

    **Parts**: training, validation and test never share an image, a recording or a noise clip.
    Images: the first 55,000 of MNIST's training file, its last 5,000, MNIST's test file.
    Noise: folds 1 to 3, 4, 5, which never share the recording that clips were cut from.
    Recordings, by `split`:

    - `"official"`: indices 9 to 49, 5 to 8, and 0 to 4, FSDD's own test split: all six speakers
      are in every part.
    - `"speaker"`: test has all recordings of one speaker, who is in no other part; validation has
      the indices 0 to 4 of the others.

    **Cache**: the arrays are written as uint8 to `cache_dir` with a `manifest.json` of all
    arguments and of the hashes of sources and arrays. They are used again only if every byte is as
    the manifest says and the sources are the same; anything else is built anew. They get their name
    when they are whole. The result depends neither on `workers` nor on the time, and on the
    machine at most by rounding (NumPy, SciPy and the processor decide the last bit of a
    logarithm, so single values may differ by 1).

    Args:
        data_dir: Folder with `mnist.npz`, `fsdd/recordings` and `ESC-50` (`audio/*.wav`,
            `meta/esc50.csv`) or `esc10` (`NNN - Class/*.ogg`). Defaults to the environment
            variable `KERAS_FUSION_DATA`.
        split: `"official"` or `"speaker"`. Defaults to `"official"`.
        speaker: The speaker held out by `"speaker"`: "george", "jackson", "lucas", "nicolas",
            "theo" or "yweweler". Not used by `"official"`. Defaults to `"theo"`.
        seed: Integer from 0 to 2^32 - 1, of all draws. Defaults to `0`.
        energy: Float in (0, 1], energy of the image. Defaults to `0.25`, the paper's.
        leading: Positive integer, among how many leading vectors those of the image are drawn; None
            for all. Defaults to `12`.
        noise: `"esc50"`, `"esc10"` or `"auto"`, ESC-50 if it is there. Defaults to `"auto"`.
        noise_db: Float, ratio of speech to noise in dB, or a pair of floats between which it is
            drawn for every pair. Defaults to `-6`.
        window: See `audio.spectrogram`, as for the next six. Defaults to `224` samples (28 ms).
        hop: Defaults to `71` samples (8.9 ms), so that a sound is 0.994 s long.
        fft_length: Defaults to the window, 1024 for mel bands.
        frequencies: `"linear"` or `"mel"`. Defaults to `"linear"`.
        scale: `"log"` or `"linear"`. Defaults to `"log"`.
        range_db: Defaults to `80`.
        normalize: `"clip"` or `"fixed"`. Defaults to `"clip"`.
        limit: Positive integer: only the first pairs of each part, to try things out. They are not
            those of the whole set. Defaults to `None`.
        cache_dir: Folder of the cache (0.93 GB for each choice of arguments). Defaults to
            `datasets/keras_fusion` in Keras' own folder (`~/.keras`, or `KERAS_HOME`).
        workers: Positive integer, threads that compute spectrograms. Defaults to `2`.

    Returns:
        Dict `{"train": (x, y), "validation": (x, y), "test": (x, y)}` of 55,000, 5,000 and
        10,000 pairs. `x["image"]` is a uint8 array `(pairs, 28, 28, 1)`, 0 to 255 for pixels of
        `IMAGE_RANGE`; `x["audio"]` one of `(pairs, 112, 112, 1)`, rows are frequencies, low ones
        first. Both are memory-mapped and read-only. `y` is an int32 array `(pairs,)` from 0 to
        9. The order of images is MNIST's. Feed them to `fit` through `as_pydataset` or
        `as_dataset`, or as they are.

    Raises:
        FileNotFoundError: If a folder, a recording or a noise clip is missing.
        ImportError: If soundfile or SciPy is not installed.
        ValueError: If a source is truncated, empty or not the one expected, or an argument is out
            of its range. Nothing is left in the cache then.

    Example:

    ```python
    import keras_fusion as kf

    # Where KERAS_FUSION_DATA names the folder; leave out limit= for all pairs.
    data = kf.datasets.av_mnist.load_data(limit=32, cache_dir="cache")
    x, y = data["train"]
    print(x["image"].shape, x["audio"].shape)  # (32, 28, 28, 1) (32, 112, 112, 1)
    ```

    Reference:
        Vielzeuf et al., "CentralNet: a Multilayer Approach for Multimodal Fusion",
        ECCV Workshops 2018, section 3.2.
    """
    recipe = _av_mnist_pairs.Recipe(
        split=split,
        speaker=speaker if split == "speaker" else None,
        seed=seed,
        energy=energy,
        leading=leading,
        noise=noise,
        noise_db=noise_db,
        limit=limit,
        picture=Settings(
            frames=_av_mnist_pairs.SIZE,
            bins=_av_mnist_pairs.SIZE,
            window=window,
            hop=hop,
            fft_length=fft_length,
            sample_rate=SAMPLE_RATE,
            frequencies=frequencies,
            scale=scale,
            range_db=range_db,
            normalize=normalize,
        ),
    )
    checks.check_count("workers", workers)
    sources = _av_mnist_pairs.Sources(data_dir, recipe)
    key = {"version": _VERSION, **recipe.facts(), "sources": sources.fingerprints()}
    place = array_cache.folder(cache_dir, "av_mnist", key)
    arrays = array_cache.read(place, key)
    if arrays is None:
        facts = {"pairs": sources.counts(), "image_range": IMAGE_RANGE}
        array_cache.write(
            place, key, lambda new: _av_mnist_pairs.build(new, sources, recipe, workers), facts
        )
        arrays = array_cache.read(place, key)
        if arrays is None:
            raise OSError(f"{place}: what was written there cannot be read back; is the disk full?")
    return {
        part: (
            {"image": arrays[f"{part}_image"], "audio": arrays[f"{part}_audio"]},
            np.array(arrays[f"{part}_labels"]),
        )
        for part in _spoken_digits.PARTS
    }


@dataclasses.dataclass(frozen=True)
class Sound:
    """The sound of a pair; made by `sound`.

    Attributes:
        signal: Float32 array `(samples,)`, as it is before the spectrogram: speech in noise.
        sample_rate: Integer, samples in a second.
        digit: Integer, what is said.
        recording: Path of the recording.
        noise: Path of the noise clip.
        noise_db: Float, ratio of speech to noise in dB.
    """

    signal: np.ndarray
    sample_rate: int
    digit: int
    recording: pathlib.Path
    noise: pathlib.Path
    noise_db: float


def sound(part, index, data_dir=None, **kwargs):
    """The sound of one pair of `load_data`, to listen to.

    Args:
        part: `"train"`, `"validation"` or `"test"`.
        index: Integer, row of the pair.
        data_dir: As in `load_data`.
        **kwargs: What `load_data` was called with: `split`, `speaker`, `seed`, `noise`,
            `noise_db`, `hop`, `limit`.

    Returns:
        `Sound`. Samples may lie beyond [-1, 1]; scale them before writing 16 bit.

    Raises:
        As `load_data`; a ValueError too if there is no such part or row, a TypeError if there is
        no such argument.

    Example:

    ```python
    import keras_fusion as kf

    mixed = kf.datasets.av_mnist.sound("test", 0)  # where KERAS_FUSION_DATA names the folder
    print(mixed.digit, mixed.noise_db, mixed.signal.shape)  # 7 -6.0 (7952,)
    ```
    """
    recipe = _sound_recipe(**kwargs)
    sources = _av_mnist_pairs.Sources(data_dir, recipe)
    if part not in _spoken_digits.PARTS:
        raise ValueError(f"part: expected one of {_spoken_digits.PARTS}. Received: {part!r}")
    plan = sources.plan(part)
    if not isinstance(index, numbers.Integral) or not 0 <= index < len(plan.digits):
        raise ValueError(f"index: expected 0 to {len(plan.digits) - 1}. Received: {index!r}")
    row = plan.rows([index])
    mixed = _av_mnist_pairs.Mixer(row, recipe.picture.hop * _av_mnist_pairs.SIZE)
    return Sound(
        signal=mixed.signal(0),
        sample_rate=SAMPLE_RATE,
        digit=int(row.digits[0]),
        recording=row.recordings[row.recording[0]],
        noise=row.noises[row.noise[0]],
        noise_db=float(row.noise_db[0]),
    )


def _sound_recipe(
    split="official", speaker="theo", seed=0, noise="auto", noise_db=-6.0, hop=71, limit=None
):
    """The recipe of what `sound` needs to know; the image's part of it is not used."""
    return _av_mnist_pairs.Recipe(
        split=split,
        speaker=speaker if split == "speaker" else None,
        seed=seed,
        energy=0.25,
        leading=None,
        noise=noise,
        noise_db=noise_db,
        limit=limit,
        picture=Settings(frames=_av_mnist_pairs.SIZE, hop=hop),
    )

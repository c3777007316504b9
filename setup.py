"""Metadata of keras_fusion; the settings of the tools are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def for_an_index(text):
    """The README for package indexes, where pictures and links to files beside it lead nowhere."""
    pictures = r"<picture>.*?</picture>|<img [^>]*>|!\[[^\]]*\]\((?!https?://)[^)]*\)"
    text = re.sub(pictures, "", text, flags=re.S)
    return re.sub(r"\[([^\]]+)\]\((?!https?://|#)[^)]+\)", r"\1", text)


# Read as text: importing the package here would need Keras before it is installed.
VERSION = re.search(r'^__version__ = "(.+)"$', read("keras_fusion/__init__.py"), re.M).group(1)

EXTRAS = {
    "plot": ["matplotlib>=3.9"],
    # Intervals of a comparison need SciPy.
    "report": ["jinja2", "matplotlib>=3.9", "scipy"],
    "examples": ["matplotlib>=3.9", "rich", "scikit-learn"],
    # KerasTuner imports six without declaring it, tensorboard in every search on TensorFlow, and
    # scikit-learn and scipy in Bayesian optimisation.
    "tune": ["keras-tuner>=1.4.7", "scikit-learn", "scipy", "six", "tensorboard"],
    # Tests of differences, folds of whole groups, runs as a table.
    "stats": ["pandas", "scikit-learn>=1.6", "scipy"],
    # Runs of a comparison on many machines; Dask brings cloudpickle.
    "cluster": ["dask[distributed]"],
    "audio": ["scipy", "soundfile"],
    # To read the pictures of data sets, and tables.
    "data": ["pandas", "pillow"],
    # The last release of tensorflow-io is compiled against TensorFlow 2.16.
    "tfio": [
        "tensorflow-io==0.37.1; python_version < '3.13'",
        "tensorflow==2.16.*; python_version < '3.13'",
    ],
    # onnx 1.19.0 does not say that it needs a newer ml_dtypes than TensorFlow 2.16 allows.
    "onnx": ["onnx!=1.19.0", "onnxruntime", "tf2onnx"],
    # KerasHub's backbones; they bring TensorFlow with them.
    "hub": ["keras-hub"],
    # To run LiteRT files; TensorFlow writes them, with any Keras.
    "litert": ["ai-edge-litert"],
    # The server of examples/serving.
    "serve": ["fastapi", "uvicorn"],
    # The site in docs/.
    "docs": ["furo", "matplotlib>=3.9", "myst-nb", "scikit-learn", "sphinx", "sphinx-copybutton"],
    "jax": ["jax"],
    "torch": ["torch"],
}
# Everything that the tests use on the newest TensorFlow, so that `pip install -e ".[test]"` skips
# nothing but the other backends and tensorflow-io.
TESTED = (
    *("plot", "report", "examples", "tune", "stats", "cluster", "audio", "data"),
    *("hub", "onnx", "litert", "serve"),
)
EXTRAS["test"] = sorted(
    {"hypothesis", "pytest>=8", "pytest-xdist"}.union(*(EXTRAS[name] for name in TESTED))
)
EXTRAS["dev"] = [*EXTRAS["test"], "ruff"]

setup(
    name="keras_fusion",
    version=VERSION,
    description="Multimodal fusion for Keras 3: several models, one per modality, made into one.",
    long_description=for_an_index(read("README.md")),
    long_description_content_type="text/markdown",
    author="The keras_fusion authors",
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    keywords="keras multimodal fusion centralnet tensorflow jax pytorch",
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    packages=find_packages(include=["keras_fusion", "keras_fusion.*"]),
    package_data={"keras_fusion.reporting": ["templates/*"]},
    # Without an upper cap, for users of JAX and PyTorch on what is newer than TensorFlow knows.
    python_requires=">=3.11",
    # TensorFlow stays an open range: the extra `tfio` narrows it. Where only JAX or PyTorch is
    # wanted: pip install "keras>=3.12" numpy jax, then pip install --no-deps keras_fusion.
    install_requires=["keras>=3.12", "numpy", "tensorflow>=2.16; python_version < '3.14'"],
    extras_require=EXTRAS,
)

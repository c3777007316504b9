"""What every test starts from: a fixed seed, no window, and the data sets if they are there."""

import os
from importlib.metadata import version
from pathlib import Path
from zlib import crc32

import pytest

# Keras, matplotlib, JAX and PyTorch read these once, when they are imported. Keras itself is not
# imported here: the process that only hands out tests to others (pytest -n) does without.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# A step is compiled to run once or twice, not to run fast: a third of the time less in all.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
if os.environ.get("KERAS_BACKEND") == "torch":
    # Two OpenMP threads on a shared machine made single steps 50 times slower.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

DATA = os.environ.get("KERAS_FUSION_DATA")


def pytest_report_header(config):
    backend = os.environ.get("KERAS_BACKEND", "the default backend")
    return f"keras {version('keras')} on {backend}, KERAS_FUSION_DATA={DATA}"


def pytest_addoption(parser):
    parser.addoption(
        "--slow-part", metavar="I/N", help="of the slow tests only part I of N, by their names"
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow-part"):
        part, count = map(int, config.getoption("--slow-part").split("/"))
        slow = [item for item in items if item.get_closest_marker("slow")]
        others = [item for item in slow if crc32(item.nodeid.encode()) % count != part]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]
    if DATA and Path(DATA).is_dir():
        return
    for item in items:
        if item.get_closest_marker("data"):
            item.add_marker(pytest.mark.skip(reason="KERAS_FUSION_DATA names no folder"))


@pytest.fixture(autouse=True)
def fresh_keras():
    """Every test alone or in any order: same seed, same automatic names, dtype policy float32."""
    import keras

    # Freeing memory collects all garbage: 0.3 s for every single test.
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)


@pytest.fixture
def data_dir():
    """The folder of the real data sets; for tests with the marker `data`."""
    return Path(DATA)


@pytest.fixture(autouse=True)
def own_methods_go():
    """Takes away the fusion methods that a test or an example registers."""
    from keras_fusion.models import registry

    before = dict(registry._METHODS)
    yield
    registry._METHODS.clear()
    registry._METHODS.update(before)

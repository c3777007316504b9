"""What every search of a test starts from."""

import gc

import pytest


@pytest.fixture(autouse=True)
def small_garbage():
    """A search collects garbage twice a trial: what other tests left need not be looked at."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()

"""Fixtures for networks that take long to fill with values or to compile."""

import keras
import pytest
from helpers.xflow_models import without_values


@pytest.fixture
def no_values():
    """Models built in the test have no values in their weights."""
    with without_values():
        yield


@pytest.fixture(scope="module")
def compile_fast():
    """JAX compiles a step for running it once or twice, not for running it fast."""
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)

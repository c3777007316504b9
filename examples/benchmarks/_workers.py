"""Worker processes: one per library, alive for the whole run, and only one of them at work.

A worker builds and warms up its variants, then measures the one it is asked for. Separate
processes, because the libraries' thread pools would fight inside one, and because Keras has one
backend per process. This file imports none of the libraries: the parent stays light, and the
environment variables are set before the imports.
"""

import multiprocessing
import os
import traceback

ENVIRONMENT = {
    # Everything on the CPU.
    "CUDA_VISIBLE_DEVICES": "",
    "JAX_PLATFORMS": "cpu",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # No pool of compiling processes that stays alive beside the measurement.
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
}


class Worker:
    """The parent's end of a worker process.

    Args:
        name: "tensorflow", "jax" or "torch" for Keras on that backend, "pytorch" for plain
            PyTorch.
        settings: Dict for the worker's `build`.
        log: File for what the libraries write to stderr.

    Attributes:
        about: Dict that the worker sent when it was ready: "variants" (their names), "versions"
            and more, see the two `build` functions.
    """

    def __init__(self, name, settings, log):
        self.name, self.log = name, log
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        arguments = (theirs, name, settings, str(log))
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        self.about = self._answer()

    def measure(self, variant):
        """Seconds of one visit, a dict: "step", and "call" (its fixed costs) where it has any."""
        self.connection.send(variant)
        return self._answer()

    def close(self):
        self.connection.send(None)
        self.process.join()

    def _answer(self):
        try:
            kind, value = self.connection.recv()
        except EOFError:
            self.process.join()
            kind, value = "failed", f"ended with exit code {self.process.exitcode}, see {self.log}"
        if kind == "failed":
            raise RuntimeError(f"worker {self.name}: {value}")
        return value


def _serve(connection, name, settings, log):
    os.environ.update(ENVIRONMENT)
    # Their C++ parts write there too, which only another file descriptor catches.
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    try:
        if name == "pytorch":
            from _pytorch_variants import build
        else:
            os.environ["KERAS_BACKEND"] = name
            from _keras_variants import build
        variants, about = build(settings)
        for variant in variants.values():  # traced, compiled, memory allocated
            variant()
        connection.send(("ready", {**about, "variants": list(variants)}))
        while (asked := connection.recv()) is not None:
            connection.send(("measured", variants[asked]()))
    except EOFError:  # the parent is gone
        pass
    except Exception:
        connection.send(("failed", traceback.format_exc()))

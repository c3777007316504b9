"""The versions of a model on disk: which there are, which can be served, and what they take."""

import threading

import tensorflow as tf
from fastapi import HTTPException

FINE = {"error_code": "OK", "error_message": ""}
KINDS = {"float16": "HALF", "float32": "FLOAT", "float64": "DOUBLE"}  # others as in TensorFlow


class Served:
    """The versions of one model, each loaded when it is first asked for.

    Args:
        folder: Path of the folder that holds one folder for each version, named by its number.
    """

    def __init__(self, folder):
        self.folder, self.lock = folder, threading.Lock()
        self.loaded, self.broken = {}, {}  # the latter {version: (files, error)}

    def versions(self):
        """`{number: folder}`, newest first; 001 is version 1, as in TensorFlow Serving."""
        folders = [path for path in self.folder.iterdir() if path.name.isdecimal()]
        found = {int(path.name): path for path in sorted(folders) if path.is_dir()}
        for gone in self.loaded.keys() - found.keys():
            self.loaded.pop(gone, None)
        return dict(sorted(found.items(), reverse=True))

    def signatures(self, version=None):
        """`(version, {name: function})`; by default of the newest version that is not broken."""
        found = self.versions()
        for number in found if version is None else found.keys() & {version}:
            if served := self.load(number, found[number]):
                return number, served.signatures
        raise self.not_found(version)

    def load(self, version, folder):
        """The version, or None if it is broken."""
        with self.lock:
            if version in self.loaded:
                return self.loaded[version]
            files = {(str(path), path.stat().st_mtime_ns) for path in folder.rglob("*")}
            if self.broken.get(version, (None,))[0] == files:
                return None
            try:
                self.loaded[version] = tf.saved_model.load(str(folder))
            except Exception as error:  # files can be broken in any way
                self.broken[version] = files, str(error)
            return self.loaded.get(version)

    def states(self, version=None):
        """The state of every version, or of one, in the words of TensorFlow Serving."""
        found = self.versions()
        if version is None:
            # The newest that is not broken, which most requests are about, is loaded for this.
            any(self.load(number, found[number]) for number in found)
        elif version in found:
            self.load(version, found[version])
            found = {version: found[version]}
        else:
            raise self.not_found(version)
        return [self.state(number) for number in found]

    def state(self, version):
        state, status = "START", FINE  # nobody has asked for it yet
        if version in self.loaded:
            state = "AVAILABLE"
        elif version in self.broken:
            message = self.broken[version][1]
            state, status = "END", {"error_code": "UNKNOWN", "error_message": message}
        return {"version": str(version), "state": state, "status": status}

    def not_found(self, version):
        which = "" if version is None else f", version {version}"
        return HTTPException(404, f"Servable not found for request: {self.folder.name}{which}")


def describe(signature):
    """Names, types and shapes of inputs and outputs, in the words of TensorFlow Serving."""

    def tensor(name, spec):
        sizes = spec.shape if spec.shape.rank is not None else []
        dims = [{"size": str(-1 if size is None else size), "name": ""} for size in sizes]
        kind = KINDS.get(spec.dtype.name, spec.dtype.name.upper())
        shape = {"dim": dims, "unknown_rank": spec.shape.rank is None}
        return {"dtype": f"DT_{kind}", "tensor_shape": shape, "name": name}

    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    return {
        "inputs": {name: tensor(name, spec) for name, spec in inputs.items()},
        "outputs": {name: tensor(name, spec) for name, spec in outputs.items()},
        "method_name": "tensorflow/serving/predict",
    }

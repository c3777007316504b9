"""A client of TensorFlow Serving's REST API, or of server.py, that needs only NumPy.

    python examples/serving/client.py --samples 5

As a module: `Client("http://localhost:8501", "fusion").predict({"image_a": array, ...})`.
"""

import argparse
import base64
import contextlib
import json
import urllib.error
import urllib.request

import numpy as np


class ServerError(Exception):
    """What the server refused, in its own words; `status` is that of HTTP."""

    def __init__(self, status, message):
        super().__init__(f"{status}: {message}")
        self.status = status


class Client:
    """Asks one model of a server.

    Args:
        url: Of the server.
        model: Name of the model.
        version: Int, or None for the newest.
        timeout: Seconds that an answer may take.
    """

    def __init__(self, url="http://localhost:8501", model="fusion", version=None, timeout=30):
        self.model = f"{url}/v1/models/{model}"
        self.path = self.model if version is None else f"{self.model}/versions/{version}"
        self.timeout = timeout

    def predict(self, inputs, signature="serving_default"):
        """Predictions as arrays, `{output: (samples, ...)}`.

        Args:
            inputs: Dict `{input: array}`, one row for each sample; for raw inputs a list of bytes.
            signature: Name of a signature of the exported model.
        """
        outputs = self.outputs(signature)
        body = {
            "signature_name": signature,
            "inputs": {name: as_json(values) for name, values in inputs.items()},
        }
        found = self._ask(f"{self.path}:predict", json.dumps(body).encode())["outputs"]
        if len(outputs) == 1:  # the server leaves out the name
            found = {outputs[0]: found}
        return {name: np.array(values, "float32") for name, values in found.items()}

    def metadata(self):
        """Signatures with their inputs and outputs: dicts of name, type and shape."""
        return self._ask(f"{self.path}/metadata")["metadata"]["signature_def"]["signature_def"]

    def outputs(self, signature):
        """Names of a signature's outputs."""
        signatures = self.metadata()
        if signature not in signatures:
            raise ServerError(400, f'Serving signature key "{signature}" not found')
        return list(signatures[signature]["outputs"])

    def is_ready(self):
        """Whether the server has a version of the model."""
        try:
            states = self._ask(self.model)["model_version_status"]
        except (ServerError, OSError):
            return False
        return any(state["state"] == "AVAILABLE" for state in states)

    def _ask(self, url, body=None):
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            with contextlib.suppress(ValueError, KeyError, TypeError):
                text = json.loads(text)["error"]
            raise ServerError(error.code, text) from None


def as_json(values):
    """Lists of numbers, of strings, or of bytes as `{"b64": ...}`."""
    if isinstance(values, bytes):
        return {"b64": base64.b64encode(values).decode()}
    if isinstance(values, (list, tuple)):
        return [as_json(value) for value in values]
    return values.tolist() if isinstance(values, (np.ndarray, np.generic)) else values


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", default="http://localhost:8501")
    parser.add_argument("--model", default="fusion")
    parser.add_argument("--samples", type=int, default=5, help="random ones; for real ones README")
    args = parser.parse_args()
    client = Client(args.url, args.model)
    rng = np.random.default_rng(0)
    x = {name: rng.random((args.samples, 8, 8, 1)) for name in ("image_a", "image_b")}
    print("central: ", client.predict(x)["central"].argmax(axis=-1).tolist())
    present = np.ones((args.samples, 2))
    present[:, 0] = 0
    without = client.predict({**x, "present": present}, "missing_modalities")["central"]
    print("without image_a: ", without.argmax(axis=-1).tolist())
    for name, shares in client.predict(x, "fusion_weights").items():
        print(f"{name}: ", shares.round(3).tolist())


if __name__ == "__main__":
    main()

"""The page in a browser: nothing on the console, nothing fetched, no wider than a phone."""

import functools
import http.server
import re
import shutil
import subprocess
import threading

import matplotlib.image
import numpy as np
import pytest

import keras_fusion as kf

for package in ("jinja2", "matplotlib", "scipy"):
    pytest.importorskip(package)
NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium, such as Debian's package chromium"),
]
# A page of the same origin may measure the other: it has no scripts of its own.
PHONE = """<!doctype html><title>-</title><link rel="icon" href="data:,">
<iframe src="page.html" width="390" height="800" style="border: 0"></iframe>
<script>onload = () => {
  const page = document.querySelector("iframe").contentDocument.documentElement;
  document.title = `${page.scrollWidth} of ${page.clientWidth}`;
}</script>"""


def chromium(folder, *arguments):
    """What it printed, and what it wrote on the console, a line for each message."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command += [f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr"]
    command += ["--hide-scrollbars", "--no-first-run", "--disable-background-networking"]
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=100, check=True
    )
    return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with pages, its address, and what was asked for there."""
    folder = tmp_path_factory.mktemp("site")
    shapes = {"image": (8, 8, 1), "a_long_name": (5,)}
    nets = {name: kf.backbones.mlp(shape, (8,), 3) for name, shape in shapes.items()}
    model = kf.build_centralnet(nets, missing_modalities=True)
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=(32, *shape)) for name, shape in shapes.items()}
    kf.report(model, (x, np.arange(32) % 3), folder / "page.html")
    (folder / "phone.html").write_text(PHONE)
    bad = (folder / "page.html").read_text(encoding="utf-8")
    bad = bad.replace("<main>", '<main><img src="/no.png"><script>1</script>')
    (folder / "bad.html").write_text(bad, encoding="utf-8")
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, form, *values):
            asked.append(self.path)

    serve = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_nothing_is_fetched_or_complained_of(site):
    folder, address, asked = site
    asked.clear()
    text, console = chromium(folder, "--dump-dom", f"{address}/page.html")
    assert console == [] and asked == ["/page.html"]
    assert "Where the modalities disagree" in text
    _, console = chromium(folder, "--dump-dom", f"{address}/bad.html")
    assert len(console) >= 2 and "/no.png" not in asked  # what is refused is complained of


def test_fits_a_phone(site):
    folder, address, _ = site
    text, _ = chromium(folder, "--dump-dom", "--virtual-time-budget=5000", f"{address}/phone.html")
    assert re.search("<title>(.*?)</title>", text).group(1) == "390 of 390"


def test_light_and_dark(site):
    folder, address, _ = site
    paper = {}
    for theme in ("light", "dark"):
        options = ["--window-size=900,1200", f"--screenshot={folder}/{theme}.png"]
        options += ["--blink-settings=preferredColorScheme=" + ("0" if theme == "dark" else "1")]
        chromium(folder, *options, f"{address}/page.html")
        pixels = matplotlib.image.imread(folder / f"{theme}.png")[..., :3]
        paper[theme] = pixels[4, 4].mean()
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50  # text and figures
    assert paper["light"] > 0.95 and paper["dark"] < 0.2

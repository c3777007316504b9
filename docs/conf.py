"""Settings of the site: `pip install -e ".[docs]"`, then `sphinx-build -W docs site`.

With `-D nb_execution_mode=cache` the pages of the gallery are executed too.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent))

import _docstrings
import _pages

import keras_fusion

project = author = "keras_fusion"
copyright = "the authors of keras_fusion, Apache-2.0"
release = version = keras_fusion.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["README.md", "_*"]
source_suffix = {".md": "myst-nb", ".rst": "restructuredtext"}

# Texts are Markdown; the code in them is run by tests, that of the gallery here.
nb_execution_mode = "off"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_output_stderr = "remove"
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

# Docstrings are in Keras' dialect, whose backquotes mean code.
default_role = "code"
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_custom_sections = [
    ("Call arguments", "params_style"),
    ("Update arguments", "params_style"),
    ("Input shape", "returns_style"),
    ("Output shape", "returns_style"),
    "Reference",
]
add_module_names = False
toc_object_entries = False

# Nothing is fetched by a reader's browser.
html_theme = "furo"
html_title = f"keras_fusion {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def setup(app):
    app.connect("builder-inited", lambda app: _pages.write(Path(app.srcdir)))
    app.connect("autodoc-process-docstring", _docstrings.process, priority=400)

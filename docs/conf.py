"""How the documentation is built; `make docs` builds it."""

import hashlib
import os
import sys
from pathlib import Path

import keras_lottery

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE / "_ext"))
os.environ |= {  # of the kernels that run the notebooks
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),  # where commands are
    "COLUMNS": "100",
    "JUPYTER_COLUMNS": "100",  # rich's own name
    "NO_COLOR": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def version_of_the_code():
    """A name for the code as it stands: the outputs of notebooks are kept for as long as it does."""
    digest = hashlib.sha256()
    for path in sorted([*ROOT.glob("keras_lottery/**/*.py"), *ROOT.glob("apps/*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


project = "keras_lottery"
copyright = "the authors of keras_lottery, Apache-2.0"
version = release = keras_lottery.__version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_design",
    "commands",
    "docstrings",
    "offline",
]
needs_sphinx = "9.0"
smartquotes = False  # "--" begins a flag
suppress_warnings = ["myst.header"]  # pages of figures have sections of the third level alone

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / "build" / "executed" / version_of_the_code())
nb_execution_timeout = 900  # seconds for a cell
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_render_markdown_format = "myst"  # which has tables
nb_output_stderr = "remove"  # TensorFlow's notices
nb_ipywidgets_js = {}  # which would be fetched

default_role = "py:obj"  # `name` in docstrings links to what has that name, else it is code
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings say what each argument is
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "pydata_sphinx_theme"
html_title = "keras_lottery"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "logo": {"text": "keras_lottery"},
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"index": [], "changelog": []}
html_show_sourcelink = html_copy_source = False
linkcheck_timeout = 20

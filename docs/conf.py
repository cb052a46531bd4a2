"""How Sphinx makes a site of these pages: ``sphinx-build -W -b html docs docs/_build``."""

from importlib.metadata import version as installed_version

project = "convlet"
author = "convlet contributors"
project_copyright = author
version = release = installed_version("convlet")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(collections|numpy|onnx)\..*")]  # others' pages need the network

# Pages link to each other and to files of the repository by relative paths, as GitHub does.
myst_heading_anchors = 3

# The docstrings tell types and shapes in words; the signatures show names and defaults.
autodoc_typehints = "none"
autodoc_member_order = "groupwise"
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"convlet {release}"
html_copy_source = False

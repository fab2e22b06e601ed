"""The documentation as a site: Sphinx over the pages of docs/, with MyST for Markdown."""

from __future__ import annotations

import importlib.metadata

import tamias

# Sphinx imports with `TYPE_CHECKING` set, which pydantic's models do not survive: load all before.
for name in tamias.__all__:
    getattr(tamias, name)

project = "tamias"
copyright = "the authors of tamias"  # noqa: A001 (Sphinx has it under this name)
release = importlib.metadata.version("tamias")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
html_theme = "furo"
html_title = "tamias"
html_show_copyright = False

myst_heading_anchors = 4
myst_enable_extensions = ["fieldlist"]
# A link to a file of the repository leads to the file itself: no page of the site is meant.
suppress_warnings = ["myst.xref_missing", "myst.header", "misc.highlighting_failure"]

autodoc_default_options = {"members": True, "show-inheritance": True, "member-order": "bysource"}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
# Docstrings are written for readers of the code: `name` is code, as in Markdown.
default_role = "code"
exclude_patterns = ["_build"]

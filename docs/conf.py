"""How Sphinx builds the documentation: ``make docs``."""

from __future__ import annotations

from mailpartner_provider import __version__

project = "mailpartner-provider"
release = __version__
copyright = "the contributors, Apache-2.0"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"

html_theme = "furo"
html_title = f"mailpartner-provider {release}"
html_copy_source = False
html_show_sourcelink = False

"""One module per rule; the dated data (catalogue, limits, rulings) lies beside them as TOML.

A module opens with a docstring under fixed headings, which `golf-check --explain` prints and the pages
under docs/rules are made of, and offers `check(case)`, which yields findings.
"""

"""Bundles the modules that a configuration uses into one `train_gpt.py`, as submissions ship it.

Start at `bundle.py`, which runs the steps: import graph, branches folded on the baked switches, unused
definitions dropped, modules joined. `minify.py` and `self_extracting.py` make the result shorter.
"""

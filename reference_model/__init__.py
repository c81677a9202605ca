"""The Parameter Golf stack from data to score: model, trainer, quantiser, evaluator, test-time training.

Start at `presets.py` (the systems of pull requests #461, #555 and #940 and our own), then `gpt.py` and
`train.py`. `python -m reference_model --help` lists the commands.
"""

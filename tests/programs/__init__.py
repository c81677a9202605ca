"""Small training scripts in the manner of the field, and edits that break them: what the audit is tested on.

None of these programs is ever run by a test; the audit reads their text.
"""

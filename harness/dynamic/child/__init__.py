"""The side of the dynamic audit that runs inside the sandbox, in the process of the untrusted script.

Nothing here is a secret or a protection: the sandbox is. What it reports is read as hostile.
"""

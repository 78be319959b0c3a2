"""Recorded numbers and names of a checkpoint, judged.

`headers` compares numbers with headers that are at hand. Without them, `judge` says of each number whether
the formula and known causes give it exactly, `judge.findings` what that says about the checkpoint,
`names.names_differences` where recorded tensor names and the formula differ, and `names.stored` which
slots the names prove.
"""

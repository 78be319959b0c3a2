"""Formulas from the literature, each with its source, and formulas that a user states.

A module here is one source: `SOURCE` says where it was published, `FORMULAS` holds what it states, part by
part. Nothing has to be registered anywhere else. Modules with an underscore read and evaluate formulas.
"""

from verify.published._record import Published, Source, Stated, evaluate, read_slot
from verify.published._select import find, names, resolve

__all__ = ["Published", "Source", "Stated", "evaluate", "find", "names", "read_slot", "resolve"]

"""Derived formulas as data, evaluated and printed; nothing of it needs torch."""

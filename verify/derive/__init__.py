"""Formulas derived symbolically from the transformers implementation."""

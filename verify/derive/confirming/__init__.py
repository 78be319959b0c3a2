"""Formulas held against random configurations of the real class, region by region and switch by switch."""

"""Bytes and FLOPs: formulas on one side, measurements on fake tensors on the other."""

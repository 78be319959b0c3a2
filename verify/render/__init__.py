"""Reports, one file per kind."""

"""Evidence: what a checkpoint holds, one file per kind."""

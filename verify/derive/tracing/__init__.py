"""One build of a class with symbolic hyper-parameters, and all that watches it."""

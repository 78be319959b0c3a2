"""Formulas derived symbolically from the transformers implementation.

The rooms, each of which knows those after it alone:

* `census`, `publish`, `report`, `fallback`: the census of all types, the files of the library, what is printed, and the
  formula of a model that no family file is for;
* `proof`: family files held against derived formulas; `library`: formulas as data; `stored`: under the names of files;
* `confirming`: formulas held against random configurations of the real class;
* `regions`: from a trace to terms, sets of layers and conditions;
* `tracing`: one build of a class with symbolic hyper-parameters; `building`: classes, their configurations, and what
  they build;
* `formulas`: formulas as data, evaluated and printed, without torch.

`on_disk` stands beside them: what transformers writes to disk, and what it makes of what it reads.
"""

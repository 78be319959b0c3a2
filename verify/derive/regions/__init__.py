"""From a trace to a region: terms, sets of layers, and the conditions under which they hold."""

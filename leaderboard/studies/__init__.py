"""Studies: a base recipe, one named change, its controls; from the YAML to arms, runs, result and verdict."""

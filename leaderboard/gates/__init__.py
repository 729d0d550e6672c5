"""Gates: what a study's evidence allows to be decided, as data, with every verdict recomputable."""

"""Fixed-recipe training: tiers, model, loop, checkpoints, and scoring on the panel."""

"""Studies on a cluster: a study as ordinary Slurm jobs with dependencies, safe to submit again."""

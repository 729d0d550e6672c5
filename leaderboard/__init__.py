"""Studies, comparison, noise, reports and the board: scores in, decisions out."""

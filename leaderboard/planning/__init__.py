"""Planning by scaling laws: sizes and tokens for a budget, costs, experiments; `curate fit plan`."""

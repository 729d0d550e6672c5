"""Signal sets: what each pass over the text measures, one module a set, kernels beside it."""

"""Rule sets by dialect: tables of published bounds, one module a dialect."""

"""Pictures of fits as Vega-Lite specs: functions from numbers to a spec, and one that writes it to a file."""

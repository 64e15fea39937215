"""From errors to alarms: p-values, evidence, policy, events. NumPy and pandas; no networks."""

"""Run saved networks with NumPy alone."""

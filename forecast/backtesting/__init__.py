"""Out-of-sample forecasts from many cutoffs, and what they say about methods."""

"""Reports: everything that a fitted forecaster tells of itself, composed into one page."""

"""Search for the settings of a network that forecast best out of sample."""

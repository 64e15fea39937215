"""What pytest leaves out of its doctests."""

from importlib.util import find_spec

# It needs sktime, which holds pandas back and so has an environment of its own.
collect_ignore = [] if find_spec("sktime") else ["forecast/sktime.py"]

"""One distribution a file: how free numbers become its parameters, and its scores."""

"""`python -m service plan`: a plan of a file, without a server."""

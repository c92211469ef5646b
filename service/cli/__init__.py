"""`jouleplan plan` and `keys`: what is done without a server."""

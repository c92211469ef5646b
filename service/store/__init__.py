"""Plans that were asked for asynchronously, kept in an embedded database."""

"""Plans that are made while nobody holds a connection: run, watched, cancelled, kept."""

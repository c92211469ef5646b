"""Whether plans keep their deadlines as surely as they say, replayed on held-out data."""

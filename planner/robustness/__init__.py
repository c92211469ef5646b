"""Plans that keep their deadlines at a stated probability although the estimates are wrong."""

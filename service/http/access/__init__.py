"""Who may call, how often, and how long the service waits for what they send."""

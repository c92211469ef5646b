"""The relaxation and the exact search, by OR-Tools: nothing else imports it."""

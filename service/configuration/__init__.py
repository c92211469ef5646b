"""The settings by what they are about; `service.settings` puts them together."""

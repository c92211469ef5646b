"""The settings by what they are about; `service.settings.settings` puts them together."""

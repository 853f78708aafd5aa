"""Commands around the platform: compile, deploy, demo."""

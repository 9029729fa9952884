"""Partners and onboarding."""

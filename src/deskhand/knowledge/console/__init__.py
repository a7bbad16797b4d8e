"""The pages of what a tenant knows."""

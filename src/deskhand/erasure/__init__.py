"""Erasure: all of a tenant, or all of one requester in it, and the scan that proves it."""
